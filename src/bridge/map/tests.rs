use serde_json::Value;

use super::*;
use crate::stack::device::{PROBE_PRESS, PROBE_USER};
use crate::stack::load::{Overrides, load_text};

const AT: i64 = 1_795_536_000_000;

fn mapper(routes: &str, limit: usize) -> Mapper {
    let stack = load_text("", None, &Overrides::default()).unwrap().stack;
    let routes = Routes::load_text(routes, None, &stack).unwrap_or_else(|error| panic!("{routes}\n{error:#}"));
    let owners = [("panic-1", Some("user-1")), ("wear-1", Some("user-2")), ("stray", None)].into_iter().collect();
    // Expressions need the binary: tests/cli/bridge.rs has them.
    Mapper::new(routes, owners, Limits { record: limit, ..Limits::default() })
}

fn received(topic: &str, payload: impl AsRef<[u8]>) -> Received {
    Received {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_ref()),
        qos: 2,
        retained: false,
        duplicate: false,
        at: AT,
        properties: Vec::new(),
    }
}

fn header(record: &Record, wanted: &str) -> Option<Vec<u8>> {
    let found = record.headers.iter().find(|(name, _)| &**name == wanted)?;
    found.1.as_ref().map(|value| value.to_vec())
}

fn text(record: &Record, wanted: &str) -> String {
    String::from_utf8(header(record, wanted).unwrap_or_else(|| panic!("no header {wanted}"))).unwrap()
}

fn json(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

fn map(topic: &str, payload: impl AsRef<[u8]>) -> Mapped {
    mapper("", 1_000_000).take(&received(topic, payload))
}

#[test]
fn every_row_of_the_system_has_its_route() {
    let rows = [
        ("device/d/alert", "device.alerts", "d", Lane::Alerts),
        ("device/d/telemetry", "device.telemetry", "d", Lane::Rest),
        ("device/d/location", "location.realtime", "d", Lane::Rest),
        ("device/d/status", "device.telemetry", "d", Lane::Rest),
        ("wearable/d/fall", "device.alerts", "d", Lane::Alerts),
        ("wearable/d/heartrate", "device.telemetry", "d", Lane::Rest),
        ("wearable/d/activity", "device.telemetry", "d", Lane::Rest),
        ("panic/d/battery", "device.telemetry", "d", Lane::Rest),
        ("geofence/u/enter", "location.geofence", "u", Lane::Rest),
        ("geofence/u/exit", "location.geofence", "u", Lane::Rest),
    ];
    for (from, to, key, lane) in rows {
        for payload in [&b"{\"n\": 1.50}"[..], b"", b"no json", &[0, 255]] {
            let mapped = map(from, payload);
            assert_eq!(mapped.fate, Fate::Routed, "{from}");
            let [record] = mapped.records.as_slice() else { panic!("{from}: {mapped:?}") };
            assert_eq!((&*record.topic, &record.key[..], record.lane, record.time), (to, key.as_bytes(), lane, AT));
            assert_eq!(record.value.as_deref(), Some(payload), "the original bytes");
            assert_eq!(text(record, "mqtt.topic"), from);
            assert_eq!(text(record, "event-id"), mapped.event_id.id().to_string());
        }
    }
    for down in ["device/d/command", "device/d/config", "emergency/u/status", "other/x", "panic/d/press/x", "$SYS/x"] {
        let mapped = map(down, "{}");
        assert_eq!((mapped.fate, mapped.records), (Fate::Ignored(Ignored::NoRoute), Vec::new()), "{down}");
    }
}

#[test]
fn a_press_of_which_all_is_known() {
    let payload = r#"{"type":"MEDICAL","latitude":52.520008,"longitude":13.40,"timestamp":1795535990,"eventId":"e-1"}"#;
    let mapped = map("panic/panic-1/press", payload);
    assert_eq!(mapped.fate, Fate::Routed);
    let [record] = mapped.records.as_slice() else { panic!("{mapped:?}") };
    let id = mapped.event_id.id().emergency().to_string();
    let expected = format!(
        r#"{{"emergencyId":"{id}","userId":"user-1","type":"MEDICAL","latitude":52.520008,"longitude":13.40,"timestamp":"2026-11-24T15:59:50.000Z","deviceId":"panic-1"}}"#
    );
    assert_eq!(str::from_utf8(record.value.as_ref().unwrap()).unwrap(), expected);
    assert_eq!((&*record.topic, &record.key[..], record.lane), ("emergency.created", id.as_bytes(), Lane::Emergencies));
    assert_eq!(text(record, "device-time"), "1795535990");
    assert_eq!(header(record, "reason"), None);
}

#[test]
fn a_trigger_is_its_users() {
    let payload = r#"{"location":{"latitude":1,"longitude":2},"deviceId":"phone-9"}"#;
    let mapped = map("emergency/user-7/trigger", payload);
    assert_eq!(mapped.fate, Fate::Routed);
    let value = json(&mapped.records[0]);
    assert_eq!((value["userId"].as_str(), value["deviceId"].as_str()), (Some("user-7"), Some("phone-9")));
    assert_eq!((value["latitude"].as_i64(), value["longitude"].as_i64()), (Some(1), Some(2)));
    assert_eq!(
        (value["type"].as_str(), value["timestamp"].as_str()),
        (Some("UNKNOWN"), Some("2026-11-24T16:00:00.000Z"))
    );
}

/// Whatever stands in a press, it becomes an emergency, says what is wrong, keeps the bytes, and leaves a dead letter.
#[test]
fn a_press_always_becomes_an_emergency() {
    let long = "x".repeat(65);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let place = r#""latitude":1,"longitude":2"#;
    let poison: Vec<(&str, Vec<u8>, &str)> = vec![
        ("panic/panic-1/press", b"".to_vec(), "it is empty"),
        ("panic/panic-1/press", b"help".to_vec(), "it is not JSON"),
        ("panic/panic-1/press", b"{\"type\":".to_vec(), "it is not JSON"),
        ("panic/panic-1/press", vec![0, 159, 255, 10], "it is not JSON"),
        ("panic/panic-1/press", "\u{feff}{}".into(), "it is not JSON"),
        ("panic/panic-1/press", deep.into_bytes(), "it is not JSON"),
        ("panic/panic-1/press", b"null".to_vec(), "not an object"),
        ("panic/panic-1/press", b"[1]".to_vec(), "not an object"),
        ("panic/panic-1/press", b"{}".to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"latitude":1}"#.to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"latitude":91,"longitude":1}"#.to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"latitude":1,"longitude":-181}"#.to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"latitude":"1","longitude":"2"}"#.to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"latitude":1e400,"longitude":2}"#.to_vec(), "it has no position"),
        ("panic/panic-1/press", br#"{"location":7}"#.to_vec(), "it has no position"),
        ("panic/unknown/press", format!("{{{place}}}").into_bytes(), "device \"unknown\" has no owner"),
        ("panic/stray/press", format!("{{{place}}}").into_bytes(), "device \"stray\" has no owner"),
        ("panic//press", format!("{{{place}}}").into_bytes(), "device \"\" has no owner"),
        ("emergency//trigger", format!("{{{place}}}").into_bytes(), "it names no user"),
        (
            "panic/unknown/press",
            format!(r#"{{"type":"{long}"}}"#).into_bytes(),
            "position; device \"unknown\" has no owner",
        ),
    ];
    let mapper = mapper("", 1_000_000);
    for (topic, payload, reason) in &poison {
        let mapped = mapper.take(&received(topic, payload));
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        let Fate::Incomplete(words) = &mapped.fate else { panic!("{topic} {shown}: {mapped:?}") };
        assert!(words.contains(reason), "{topic} {shown}: {words}");
        let [emergency, letter] = mapped.records.as_slice() else { panic!("{topic} {shown}: {mapped:?}") };
        let value = json(emergency);
        assert_eq!(value["type"], "UNKNOWN", "{shown}");
        assert_eq!(value["emergencyId"], mapped.event_id.id().emergency().to_string());
        assert_eq!(emergency.key, value["emergencyId"].as_str().unwrap());
        if !reason.contains("owner") && !reason.contains("user") {
            assert_eq!((&value["latitude"], &value["longitude"]), (&Value::Null, &Value::Null), "{shown}");
            assert_eq!(value["userId"], "user-1");
        } else {
            assert_eq!(value["userId"], Value::Null, "{shown}");
        }
        assert_eq!((&*emergency.topic, emergency.lane), ("emergency.created", Lane::Emergencies));
        assert_eq!(header(emergency, "original").as_ref(), Some(payload), "{shown}");
        assert_eq!(&text(emergency, "reason"), words);
        assert_eq!((&*letter.topic, letter.lane), ("dlq.failed-messages", Lane::Rest));
        assert_eq!(letter.value.as_deref(), Some(payload.as_slice()), "{shown}");
        assert_eq!((&text(letter, "reason"), text(letter, "mqtt.topic").as_str()), (words, *topic));
        assert_eq!(text(letter, "event-id"), text(emergency, "event-id"));
        assert_eq!((letter.time, emergency.time), (AT, AT));
    }
}

/// What is known stays, although something else is not.
#[test]
fn what_is_known_of_an_emergency_stays() {
    let value = json(&map("panic/unknown/press", r#"{"type":"FIRE","latitude":-90,"longitude":180}"#).records[0]);
    assert_eq!((value["type"].as_str(), value["latitude"].as_i64()), (Some("FIRE"), Some(-90)));
    let value = json(&map("panic/panic-1/press", r#"{"type":"FIRE"}"#).records[0]);
    assert_eq!((value["type"].as_str(), value["userId"].as_str()), (Some("FIRE"), Some("user-1")));
}

#[test]
fn two_presses_are_two_and_one_that_comes_again_is_one() {
    let mapper = mapper("", 1_000_000);
    let still = format!(r#"{{"timestamp":{}}}"#, AT / 1000);
    for payload in ["{}", "", r#"{"timestamp":0}"#, still.as_str()] {
        let press = received("panic/panic-1/press", payload);
        let (one, other) = (mapper.take(&press), mapper.take(&press));
        assert!(one.event_id.is_fresh() && one.event_id != other.event_id, "{payload}");
        assert_ne!(json(&one.records[0])["emergencyId"], json(&other.records[0])["emergencyId"]);
        // Remembered with its packet.
        let at = At { owners: mapper.owners(), event_id: Some(mapper.event_id(&press)), may_use_jq: true };
        assert_eq!(mapper.map(&press, &at).records, mapper.map(&press, &at).records, "{payload}");
    }
    let press = received("panic/panic-1/press", r#"{"eventId":"e-1"}"#);
    assert_eq!(mapper.take(&press), mapper.take(&press));
    let alert = received("device/d-1/alert", &still);
    assert_eq!(mapper.take(&alert), mapper.take(&alert));
}

#[test]
fn a_retained_copy_opens_nothing() {
    let mapper = mapper("", 1_000_000);
    let kept = |topic: &str| mapper.take(&Received { retained: true, ..received(topic, "{}") });
    for topic in ["panic/panic-1/press", "emergency/user-1/trigger", "device/d/alert", "device/d/telemetry"] {
        let mapped = kept(topic);
        assert_eq!((mapped.fate, mapped.records), (Fate::Ignored(Ignored::Retained), Vec::new()), "{topic}");
    }
    let status = kept("device/d/status");
    assert_eq!((&status.fate, text(&status.records[0], "mqtt.retain").as_str()), (&Fate::Routed, "true"));
}

#[test]
fn owners_change_while_it_works() {
    let mapper = mapper("", 1_000_000);
    let user = || json(&mapper.take(&received("panic/panic-1/press", "{}")).records[0])["userId"].clone();
    assert_eq!(user(), "user-1");
    mapper.set_owners([("panic-1", Some("user-9"))].into_iter().collect());
    assert_eq!(user(), "user-9");
    mapper.set_owners(Owners::default());
    assert_eq!(user(), Value::Null);
}

/// No record is larger than Kafka takes; of what does not fit, the beginning and the digest are kept.
#[test]
fn what_is_too_large_is_cut_and_told() {
    let limit = 4000;
    let mapper = mapper("", limit);
    let payload = vec![b'x'; 10_000];
    let cut = |letter: &Record| {
        let value = letter.value.as_ref().unwrap();
        assert!(value.len() > limit / 2 && payload.starts_with(value), "{}", value.len());
        assert_eq!(text(letter, "original-size"), "10000");
        assert_eq!(text(letter, "original-sha256"), "e4ee97ec252749d2096447e849628d0d7734f51700416eefbb33574bf0b3ee75");
    };
    let mapped = mapper.take(&received("device/d/alert", &payload));
    assert!(matches!(&mapped.fate, Fate::DeadLetter(words) if words.contains("Kafka takes 4000")), "{mapped:?}");
    let [letter] = mapped.records.as_slice() else { panic!("{mapped:?}") };
    assert_eq!(
        (&*letter.topic, &letter.key[..], text(letter, "route").as_str()),
        ("dlq.failed-messages", &b"d"[..], "alert")
    );
    cut(letter);
    let mapped = mapper.take(&received("panic/panic-1/press", &payload));
    let [emergency, letter] = mapped.records.as_slice() else { panic!("{mapped:?}") };
    cut(letter);
    assert_eq!(text(emergency, "original-size"), "10000");
    assert!(payload.starts_with(&header(emergency, "original").unwrap()));
    for length in (0..5000).step_by(7) {
        for topic in ["device/d/alert", "panic/panic-1/press"] {
            let properties = vec![("source".to_owned(), "x".repeat(length))];
            let mapped = mapper.take(&Received { properties, ..received(topic, &payload[..length]) });
            for record in &mapped.records {
                assert!(size(record) <= limit, "{topic} {length}: {}", size(record));
            }
        }
    }
}

#[test]
fn reasons_are_one_short_line() {
    assert_eq!(bounded("a\nb"), "a b");
    let long = bounded(&"é".repeat(1000));
    assert!(long.len() <= LONGEST_REASON + 4 && long.ends_with('…'), "{}", long.len());
}

#[test]
fn keys_and_headers_are_what_a_route_says() {
    let routes =
        "routes:\n  - {name: alert, key: '{owner}/{device}', headers: {kind: 'alert of {device}', fixed: x}}\n";
    let mapper = mapper(routes, 1_000_000);
    let mapped = mapper.take(&received("device/panic-1/alert", "{}"));
    assert_eq!(mapped.records[0].key, "user-1/panic-1");
    assert_eq!(
        (text(&mapped.records[0], "kind").as_str(), text(&mapped.records[0], "fixed").as_str()),
        ("alert of panic-1", "x")
    );
    let mapped = mapper.take(&received("device/stray/alert", "{}"));
    assert_eq!(mapped.fate, Fate::DeadLetter("it has no key: the owner is not known".to_owned()));
    assert_eq!(mapped.records[0].value.as_deref(), Some(&b"{}"[..]));
}

/// An emergency does not depend on a route's key and headers either.
#[test]
fn an_emergency_needs_no_owner_for_its_key() {
    let routes = "routes:\n  - {name: press, key: '{owner}', headers: {who: '{owner}'}}\n";
    let mapped = mapper(routes, 1_000_000).take(&received("panic/stray/press", r#"{"latitude":1,"longitude":2}"#));
    let Fate::Incomplete(words) = &mapped.fate else { panic!("{mapped:?}") };
    assert!(words.contains("it has no key: the owner is not known") && words.contains("header who"), "{words}");
    assert_eq!(mapped.records[0].key, mapped.event_id.id().emergency().to_string());
}

/// Without a helper process, too: it may not start, and a press is a press.
#[test]
fn an_emergency_needs_no_jq() {
    let stack = load_text("", None, &Overrides::default()).unwrap().stack;
    let routes = "routes:\n  - {name: press, value: '{type: .kind}'}\n  - {name: alert, value: '{a: .}'}\n";
    let routes = Routes::load_text(routes, None, &stack).unwrap();
    let limits = Limits { program: "/nonexistent/sosstack".into(), ..Limits::default() };
    let mapper = Mapper::new(routes, [("panic-1", Some("user-1"))].into_iter().collect(), limits);
    let mapped = mapper.take(&received("panic/panic-1/press", r#"{"latitude":1,"longitude":2}"#));
    assert_eq!(mapped.fate, Fate::Incomplete("jq: its helper process cannot be started".to_owned()));
    assert_eq!(json(&mapped.records[0])["latitude"], 1);
    let mapped = mapper.take(&received("device/d/alert", "{}"));
    assert!(matches!(mapped.fate, Fate::DeadLetter(_)), "{mapped:?}");
}

/// Whatever the user's routes take.
#[test]
fn the_probes_press_is_nobodys_emergency() {
    let stack = load_text("", None, &Overrides::default()).unwrap().stack;
    let greedy = "routes: [{name: press, filter: '{kind}/{device}/press'}]";
    let routes = Routes::load_text(greedy, None, &stack).unwrap();
    let press = received(PROBE_PRESS, "{}");
    let mapper = |routes| Mapper::new(routes, Owners::default(), Limits::default());
    assert_eq!(mapper(routes.clone()).take(&press).records[0].topic.as_ref(), "emergency.created", "it would be one");
    let routes = routes.with_probe();
    let subscribed = routes.subscriptions().iter().position(|one| one.filter == PROBE_PRESS && one.qos == 2);
    assert_eq!(subscribed, Some(0));
    let mapper = mapper(routes);
    let mapped = mapper.take(&press);
    let [record] = mapped.records.as_slice() else { panic!("{mapped:?}") };
    assert!(mapped.fate == Fate::Routed && record.is_probe() && record.lane == Lane::Emergencies, "{mapped:?}");
    assert_eq!((&record.key[..], record.value.as_deref()), (PROBE_USER.as_bytes(), Some(&b"{}"[..])));
    let real = mapper.take(&received("panic/panic-1/press", "{}"));
    assert_eq!(real.records[0].topic.as_ref(), "emergency.created");
}
