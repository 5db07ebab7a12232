//! What letters become, by routes and by what Kafka has.

use super::super::letter::tests::{EVENT, TOPIC, foreign, letter};
use super::*;
use crate::bridge::map::Limits;
use crate::message::{Broker, Message};
use crate::stack::load::{Overrides, load_text};

fn mapper(routes: &str) -> Mapper {
    let stack = load_text("", None, &Overrides::default()).unwrap().stack;
    let routes = Routes::load_text(routes, None, &stack).unwrap();
    Mapper::new(routes, [("panic-1", Some("user-1"))].into_iter().collect(), Limits::default())
}

fn step(letter: &Letter, routes: &str, found: &Found) -> Step {
    let mapper = mapper(routes);
    let drafts = vec![Draft::of(letter, &mapper)];
    Replay::plan(drafts, found, mapper.routes()).letters.remove(0)
}

fn header(record: &Record, wanted: &str) -> Vec<String> {
    let of_it = record.headers.iter().filter(|(name, _)| &**name == wanted);
    of_it.map(|(_, value)| String::from_utf8(value.clone().unwrap().to_vec()).unwrap()).collect()
}

/// A record of that event, which may come of that letter.
fn there(topic: &str, replayed_from: Option<&str>) -> Found {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut headers = vec![(text("event-id"), Some(text(EVENT)))];
    headers.extend(replayed_from.map(|id| (text(REPLAYED_FROM), Some(text(id)))));
    Found::of(&[Message {
        broker: Broker::Kafka,
        topic: topic.to_owned(),
        partition: Some(0),
        offset: Some(0),
        qos: None,
        retained: None,
        key: None,
        headers,
        properties: None,
        time: 0,
        value: None,
    }])
}

const LETTER: [(&str, &str); 2] = [("route", "alert"), ("reason", "jq: no")];

#[test]
fn a_letter_becomes_what_todays_routes_say_under_its_own_event_id() {
    let it = letter("device/d-1/alert", b"nonsense", &LETTER);
    let step = step(&it, "", &Found::default());
    assert_eq!((step.fate, step.to.as_deref(), step.reason), (Fate::Planned, Some("device.alerts"), None));
    assert_eq!((step.emergency, step.attempts), (false, 1));
    let record = step.record.unwrap();
    assert_eq!((&record.key[..], record.value.as_deref()), (&b"d-1"[..], Some(&b"nonsense"[..])));
    assert_eq!(header(&record, "event-id"), [EVENT]);
    assert_eq!(
        (header(&record, REPLAYED_FROM), header(&record, REPLAY_ATTEMPTS)),
        (vec!["2:15".to_owned()], vec!["1".to_owned()])
    );
    assert_eq!(header(&record, "received-at"), ["2026-11-24T16:00:00.123Z"]);
    assert_eq!(
        (header(&record, "mqtt.dup"), header(&record, "mqtt.qos")),
        (vec!["true".to_owned()], vec!["1".to_owned()])
    );
    assert!(header(&record, "reason").is_empty() && header(&record, "route").is_empty());
}

#[test]
fn what_still_cannot_be_mapped_is_not_sent() {
    let it = letter("device/stray/alert", b"{}", &LETTER);
    let step = step(&it, "routes: [{name: alert, key: '{owner}'}]", &Found::default());
    assert_eq!((step.fate, step.to, step.record), (Fate::Unmapped, None, None));
    assert_eq!(step.reason.as_deref(), Some("it has no key: the owner is not known"));
    let step = super::tests::step(&it, "routes: [{name: alert, enabled: false}]", &Found::default());
    assert_eq!((step.fate, step.reason.as_deref()), (Fate::Unmapped, Some("no route fits its topic")));
}

#[test]
fn what_must_not_be_sent_is_refused() {
    let fate = |letter: &Letter, found: &Found| {
        let step = step(letter, "", found);
        assert!(step.record.is_none() && step.to.is_none());
        (step.fate, step.reason.unwrap())
    };
    let of = |more: &[(&str, &str)]| letter("device/d-1/alert", b"{}", &[&LETTER, more].concat());
    let cases = [
        (of(&[("original-size", "10000")]), Found::default(), "only its beginning"),
        (of(&[(REPLAY_ATTEMPTS, "3")]), Found::default(), "replayed 3 times"),
        (foreign(b"{}", &[("reason", "a service's own")]), Found::default(), "headers are missing"),
        (of(&[("topic", "__consumer_offsets")]), Found::default(), "internal topic of the brokers"),
        (of(&[]), there("device.alerts", Some("2:15")), "was replayed before"),
    ];
    for (letter, found, words) in cases {
        let (fate, reason) = fate(&letter, &found);
        assert!(fate == Fate::Refused && reason.contains(words), "{words}: {fate:?} {reason}");
    }
    // Another letter of the same event, and the same place in a topic that was made again, are something else.
    for found in [there("device.alerts", Some("2:14")), there("device.alerts", None)] {
        let step = step(&of(&[(REPLAY_ATTEMPTS, "2")]), "", &found);
        assert_eq!((step.fate, step.attempts), (Fate::Planned, 3));
        assert_eq!(step.reason.as_deref(), Some("device.alerts already has a record of this event"));
        assert_eq!(header(step.record.as_ref().unwrap(), REPLAY_ATTEMPTS), ["3"]);
    }
}

#[test]
fn what_kafka_refused_goes_as_it_was_made() {
    let more = [
        (REPLAY_ATTEMPTS, "1"),
        (REPLAYED_FROM, "0:1"),
        ("reason", "it is empty"),
        ("topic", "device.alerts"),
        ("reason", "it is larger"),
    ];
    let made = step(&letter("device/d-1/alert", b"mapped", &more), "", &Found::default());
    assert_eq!((made.fate, made.to.as_deref(), made.attempts), (Fate::Planned, Some("device.alerts"), 2));
    let record = made.record.unwrap();
    assert_eq!((&record.key[..], record.value.as_deref()), (&b"d-1"[..], Some(&b"mapped"[..])));
    assert_eq!((header(&record, "reason"), header(&record, "topic")), (vec!["it is empty".to_owned()], vec![]));
    assert_eq!(
        (header(&record, REPLAYED_FROM), header(&record, REPLAY_ATTEMPTS)),
        (vec!["2:15".to_owned()], vec!["2".to_owned()])
    );
    let round = letter("device/d-1/alert", b"{}", &[("topic", TOPIC), ("topic", "audit.access")]);
    let elsewhere = step(&round, "dead_letters: audit.access", &Found::default());
    assert!(elsewhere.reason.unwrap().contains("a dead letter again"));
    let emergency = step(&letter("panic/p/press", b"{}", &[("topic", "emergency.created")]), "", &Found::default());
    assert!(emergency.emergency);
}

/// It was an emergency when it was received, and opens no other one.
#[test]
fn a_press_keeps_its_emergency() {
    let press = |topic: &str| letter(topic, br#"{"latitude":1,"longitude":2}"#, &[("route", "press"), ("reason", "x")]);
    let there = there("emergency.created", None);
    let mended = step(&press("panic/panic-1/press"), "", &there);
    assert_eq!((mended.fate, mended.emergency), (Fate::Planned, true));
    let record = mended.record.unwrap();
    let emergency = EVENT.parse::<Id>().unwrap().emergency().to_string();
    assert_eq!((&record.key[..], header(&record, "event-id")), (emergency.as_bytes(), vec![EVENT.to_owned()]));
    let still = step(&press("panic/nobody/press"), "", &there);
    assert_eq!((still.fate, still.record), (Fate::Unmapped, None));
    assert!(still.reason.unwrap().contains("has no owner"));
    // Where its emergency is nowhere, an incomplete one is better than none.
    let lost = step(&press("panic/nobody/press"), "", &Found::default());
    assert_eq!((lost.fate, lost.emergency), (Fate::Planned, true));
    assert!(lost.reason.unwrap().starts_with("incomplete: device \"nobody\""));
}

/// One topic that is gone stops no other letter.
#[test]
fn a_topic_that_is_gone_is_named() {
    let gone = letter("device/d-1/alert", b"{}", &[("topic", "device.alerts"), ("reason", "there is no topic")]);
    let step = step(&gone, "", &Found::without("device.alerts"));
    assert_eq!((step.fate, step.to, step.record), (Fate::Unmapped, None, None));
    assert_eq!(step.reason.as_deref(), Some("there is no topic device.alerts"));
}

#[test]
fn earlier_replays_are_looked_for_where_records_go() {
    let mapper = mapper("");
    let of = |topic: &str| Draft::of(&letter(topic, b"{}", &LETTER), &mapper);
    let drafts = [of("device/d/alert"), of("device/e/alert"), of("device/d/location"), of("no/route")];
    let found = sought(&drafts);
    assert_eq!(found.topics, ["device.alerts", "location.realtime"]);
    assert_eq!((found.events.len(), found.since), (1, 1_795_536_000_123));
    assert!(sought(&[of("no/route")]).topics.is_empty());
    assert_eq!(drafts[0].size(), 2);
}
