//! From what was found to a trace: which hops came, and why others did not. Pure.

use std::time::Duration;

use super::hop::{Hop, Kind, Missing, Trace};
use super::live::Heard;
use super::record::Found;
use crate::about::{About, Remedy};
use crate::bridge::plausible_time;
use crate::message::Clock;
use crate::mqtt::sender::Answer;
use crate::observe::Bridges;
use crate::observe::bridges::messages;

/// By how much a time in whole milliseconds may be off, and what two clocks of one machine may differ.
const INEXACT: f64 = 2.0;

/// What is known of bridges where a press did not get to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridging {
    /// They are somebody else's.
    Unknown,
    /// None works; what is known of the stack's own.
    Nobody(String),
    /// One that is not the stack's own has its journal.
    Foreign,
    /// This one works, and so many messages wait in its journal.
    Works { bridge: String, waiting: u64 },
}

impl Bridging {
    /// `foreign`: another bridge than these works with the stack's journal.
    pub fn of(bridges: &Bridges, foreign: bool) -> Self {
        match bridges.active() {
            Some(bridge) => {
                let waiting = bridges.journal().map_or(0, |journal| journal.messages);
                Self::Works { bridge: bridge.to_string(), waiting }
            }
            None if foreign => Self::Foreign,
            None => Self::Nobody(bridges.ready().err().unwrap_or_default()),
        }
    }
}

/// What a press is judged by, beside what was heard.
pub struct Case<'a> {
    pub about: &'a About,
    pub device: &'a str,
    /// As whom the subscriber logged in.
    pub subscriber: &'a str,
    pub topic: &'a str,
    pub timeout: Duration,
    pub bridging: &'a Bridging,
}

/// The trace of a press.
pub fn of_press(case: &Case<'_>, heard: &Heard) -> Trace {
    let after = |at: std::time::Instant| {
        heard.began.map_or(0.0, |began| at.saturating_duration_since(began).as_secs_f64() * 1000.0)
    };
    let mut trace = Trace {
        device_event_id: Some(heard.device_event_id.clone()),
        mqtt_topic: Some(heard.mqtt_topic.clone()),
        began: time(heard.sent),
        ..Trace::default()
    };
    let mut way = Way { sent: heard.sent, hops: Vec::new() };
    way.push(Hop { hop: Kind::Sent, ..Hop::default() }, 0.0, None);
    if let Some((Answer::Acknowledged, at)) = &heard.answer {
        way.push(Hop { hop: Kind::Acknowledged, ..Hop::default() }, after(*at), Some(0.0));
    }
    if let Some(at) = heard.seen {
        way.push(Hop { hop: Kind::Seen, ..Hop::default() }, after(at), Some(0.0));
    }
    if let Some((record, at)) = heard.record(case.topic) {
        trace.event_id.clone_from(&record.event_id);
        trace.emergency_id = record.emergency();
        let read = after(*at);
        let received = received(heard.sent, record, read, &mut trace.notes);
        if let Some(received) = received {
            way.push(Hop { hop: Kind::Received, ..Hop::default() }, received, Some(0.0));
        }
        way.push(at_place(Kind::InKafka, record), read, Some(received.unwrap_or(0.0)));
        for commit in &heard.commits {
            if let Some(at) = commit.at {
                let hop = Hop { hop: Kind::Committed, group: Some(commit.group.clone()), ..Hop::default() };
                way.push(hop, after(at), Some(read));
            }
        }
        if heard.commits.is_empty() {
            trace.notes.push(format!(
                "no group has members and a commit on {}: the trace ends where Kafka was read",
                case.topic
            ));
        }
        let idle =
            |group| format!("{group} reads {} and has committed nothing there: it is not waited for", case.topic);
        trace.notes.extend(heard.uncommitted.iter().map(idle));
    }
    let first = heard.record(case.topic).map(|(record, _)| (record.partition, record.offset));
    for (record, at) in &heard.records {
        let kind = match record.topic == case.topic {
            true if first == Some((record.partition, record.offset)) => continue,
            true => Kind::Again,
            false => Kind::DeadLetter,
        };
        way.push(at_place(kind, record), after(*at), None);
    }
    trace.hops = way.hops;
    trace.missing = missing(case, heard, &mut trace.notes);
    trace
}

/// The bridge's time of receipt on the press's scale: its clock is its own, and tells whole milliseconds.
fn received(sent: i64, record: &Found, read: f64, notes: &mut Vec<String>) -> Option<f64> {
    let Some(received) = record.received else {
        notes.push("the record has no header received-at: it is not sosstack's bridge that brought it".to_owned());
        return None;
    };
    #[expect(clippy::cast_precision_loss, reason = "a difference of times is small")]
    let after = (received - sent) as f64;
    if after < -INEXACT || after > read + INEXACT {
        notes.push(format!(
            "the bridge's clock is not this machine's: it says that the press came {after:.0} ms after it was sent"
        ));
    }
    Some(after.clamp(0.0, read))
}

/// What did not come. Only the first of what waits for one another is named.
fn missing(case: &Case<'_>, heard: &Heard, notes: &mut Vec<String>) -> Vec<Missing> {
    let Case { about, timeout, topic, .. } = case;
    let one = |hop, cause, remedy| Missing { hop, group: None, lag: None, cause, remedy };
    let in_kafka = heard.record(topic).is_some();
    let mut all = Vec::new();
    match &heard.answer {
        Some((Answer::Refused(reason), _)) => {
            let cause = format!("Mosquitto refused the press to {}: {reason}", heard.mqtt_topic);
            let remedy = if about.is_elsewhere() {
                Remedy::words(format!("log in as somebody who may publish to {}", heard.mqtt_topic))
            } else {
                about.remedy(&format!("device show {}", case.device)).then(" lists the topics that it reaches")
            };
            return vec![one(Kind::Acknowledged, cause, remedy)];
        }
        None => {
            let why = heard.lost.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let cause = format!("Mosquitto has not acknowledged the press within {timeout:?}{why}");
            all.push(one(Kind::Acknowledged, cause, look(about)));
            if !in_kafka {
                return all;
            }
        }
        Some((Answer::Acknowledged, _)) => {}
    }
    match (&heard.unheard, heard.seen, about.is_elsewhere()) {
        (Some(why), ..) => notes.push(format!("whether subscribers of Mosquitto see it is not known: {why}")),
        (None, None, true) if in_kafka => {
            notes
                .push(format!("no copy came to a subscriber as {}, who may have no right to read it", case.subscriber));
        }
        (None, None, _) => {
            let cause = format!("no subscriber of Mosquitto has seen the press within {timeout:?}");
            all.push(one(Kind::Seen, cause, look(about)));
        }
        (None, Some(_), _) => {}
    }
    if !in_kafka {
        all.push(not_in_kafka(case, heard));
    }
    all.extend(heard.commits.iter().filter(|commit| commit.at.is_none()).map(|commit| Missing {
        hop: Kind::Committed,
        group: Some(commit.group.clone()),
        lag: commit.lag,
        cause: format!("{} has not committed it within {timeout:?}{}", commit.group, behind(commit.lag)),
        remedy: describe(about, &commit.group),
    }));
    all
}

fn not_in_kafka(case: &Case<'_>, heard: &Heard) -> Missing {
    let Case { about, timeout, topic, bridging, .. } = case;
    let letter = heard.records.iter().map(|(found, _)| found).find(|found| found.topic != *topic);
    let (hop, cause, remedy) = match (letter, bridging) {
        (Some(letter), _) => (
            Kind::InKafka,
            format!(
                "it is with the dead letters ({}): {}",
                letter.topic,
                letter.reason.as_deref().unwrap_or("no reason is given")
            ),
            about.remedy(&format!("tail {}", letter.topic)).then(" shows more of them"),
        ),
        (None, Bridging::Unknown) => (
            Kind::Received,
            format!("nothing came to {topic} within {timeout:?}"),
            Remedy::words(format!(
                "see whether a bridge is connected to that MQTT server and brings presses to {topic}"
            )),
        ),
        (None, Bridging::Nobody(words)) => (
            Kind::Received,
            format!("no bridge takes it from Mosquitto ({words})"),
            Remedy::words(format!(
                "{} starts two beside the stack, {} one in the foreground",
                about.command("up --bridge"),
                about.command("bridge run")
            )),
        ),
        (None, Bridging::Foreign) => (
            Kind::Received,
            format!(
                "a bridge that is not the stack's own has its journal, and nothing came to {topic} within {timeout:?}"
            ),
            about
                .remedy("bridge journal inspect")
                .then(" shows what waits for Kafka; the bridge's own stderr says more"),
        ),
        (None, Bridging::Works { bridge, waiting: 0 }) => (
            Kind::Received,
            format!("{bridge} works, and nothing came to {topic} within {timeout:?}"),
            about.remedy(&format!("logs {bridge}")).then(", and its routes: is this the topic that they name?"),
        ),
        (None, Bridging::Works { bridge, waiting }) => (
            Kind::InKafka,
            format!("{} in the journal of {bridge}: Kafka is slow or away", waits(*waiting)),
            about.remedy("status").then(&format!("; {} shows what waits", about.command("bridge journal inspect"))),
        ),
    };
    Missing { hop, group: None, lag: None, cause, remedy }
}

fn waits(count: u64) -> String {
    format!("{} {}", messages(count), if count == 1 { "waits" } else { "wait" })
}

/// What to look at where Mosquitto says nothing.
fn look(about: &About) -> Remedy {
    if about.is_elsewhere() {
        Remedy::words("see whether the MQTT server keeps up")
    } else {
        about.remedy("status").then(&format!("; {} shows what it says", about.command("logs mosquitto")))
    }
}

fn describe(about: &About, group: &str) -> Remedy {
    about.remedy(&format!("group describe {group}")).then(" shows its members and how far they are")
}

fn behind(lag: Option<i64>) -> String {
    lag.map(|lag| format!(", lag {lag}")).unwrap_or_default()
}

/// How far a group is in the partition of a record that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub group: String,
    pub has_members: bool,
    /// The next offset that it will read; None where it has committed nothing in the partition.
    pub committed: Option<i64>,
    pub lag: Option<i64>,
}

/// The trace of one that happened: `records` are all of one event, not empty, `later` are records of other topics about its
/// emergency.
pub fn of_past(about: &About, topic: &str, records: &[Found], later: &[Found], groups: &[Standing]) -> Trace {
    let mut ordered: Vec<&Found> = records.iter().collect();
    ordered.sort_by_key(|found| (found.topic != topic, found.time, found.partition, found.offset));
    let Some(first) = ordered.first().copied() else { return Trace::default() };
    let received = first.received.unwrap_or(first.time);
    let mut trace = Trace {
        event_id: first.event_id.clone(),
        emergency_id: ordered.iter().find_map(|found| found.emergency_id.clone()),
        device_event_id: first.device_event_id.clone(),
        mqtt_topic: first.mqtt_topic.clone(),
        ..Trace::default()
    };
    let device = device_time(first, received, &mut trace.notes);
    let began = device.filter(|device| *device <= received).unwrap_or(received);
    trace.began = time(began);
    let mut way = Way { sent: began, hops: Vec::new() };
    if let Some(device) = device {
        let hop = Hop { hop: Kind::Sent, ..Hop::default() };
        if device <= received {
            way.push_at(hop, Some(device), None);
        } else {
            way.hops.push(Hop { time: time(device), ..hop });
        }
    }
    if first.received.is_some() {
        way.push_at(Hop { hop: Kind::Received, ..Hop::default() }, Some(received), device);
    }
    for found in &ordered {
        let kind = match found.topic == topic {
            true if std::ptr::eq(*found, first) => Kind::InKafka,
            true => Kind::Again,
            false => Kind::DeadLetter,
        };
        // The bridge's records have the time of receipt, which says nothing of when Kafka had them.
        way.push_at(at_place(kind, found), Some(found.time).filter(|at| Some(*at) != found.received), Some(received));
    }
    for found in later {
        way.push_at(at_place(Kind::Later, found), Some(found.time), None);
    }
    if first.topic == topic {
        standings(about, first, groups, &mut way, &mut trace);
    }
    if ordered.iter().any(|found| found.is_duplicate) {
        trace.notes.push("Mosquitto sent it to the bridge more than once".to_owned());
    }
    trace.hops = way.hops;
    trace
}

fn standings(about: &About, first: &Found, groups: &[Standing], way: &mut Way, trace: &mut Trace) {
    for standing in groups {
        let Standing { group, has_members, committed, lag } = standing;
        if committed.is_some_and(|next| next > first.offset) {
            way.push_at(Hop { hop: Kind::Committed, group: Some(group.clone()), ..Hop::default() }, None, None);
            continue;
        }
        let alone = if *has_members { "" } else { ", and it has no members" };
        trace.missing.push(Missing {
            hop: Kind::Committed,
            group: Some(group.clone()),
            lag: *lag,
            cause: format!("{group} has not committed it yet{}{alone}", behind(*lag)),
            remedy: describe(about, group),
        });
    }
    if groups.is_empty() {
        trace.notes.push(format!("no group has committed anything on {}", first.topic));
    }
}

/// The device's time, where its clock may have been right.
fn device_time(found: &Found, received: i64, notes: &mut Vec<String>) -> Option<i64> {
    let text = found.device_time.as_deref()?;
    let device = plausible_time(text, received);
    match device {
        None => notes.push(format!("the device's clock was wrong: it said {text}")),
        Some(device) if device > received => notes.push("the device's clock was ahead of the bridge's".to_owned()),
        Some(_) => {}
    }
    device
}

fn at_place(hop: Kind, found: &Found) -> Hop {
    Hop {
        hop,
        topic: Some(found.topic.clone()),
        partition: Some(found.partition),
        offset: Some(found.offset),
        reason: found.reason.clone(),
        ..Hop::default()
    }
}

/// Hops, with their times.
struct Way {
    /// When it began, in milliseconds since 1970.
    sent: i64,
    hops: Vec<Hop>,
}

impl Way {
    /// Adds a hop `after` milliseconds, which had waited `since` milliseconds for another one.
    fn push(&mut self, hop: Hop, after: f64, since: Option<f64>) {
        #[expect(clippy::cast_possible_truncation, reason = "it is the time of a press and some seconds")]
        let at = self.sent + after as i64;
        let took_ms = since.map(|since| rounded(after - since));
        self.hops.push(Hop { time: time(at), after_ms: Some(rounded(after)), took_ms, ..hop });
    }

    /// As [`Way::push`], with times in milliseconds since 1970.
    fn push_at(&mut self, hop: Hop, at: Option<i64>, since: Option<i64>) {
        #[expect(clippy::cast_precision_loss, reason = "a difference of times")]
        match at {
            None => self.hops.push(hop),
            Some(at) => {
                let since = since.filter(|since| *since <= at);
                self.push(hop, (at - self.sent) as f64, since.map(|since| (since - self.sent) as f64));
            }
        }
    }
}

/// To tenths of a millisecond: what is finer, threads have decided on.
fn rounded(millis: f64) -> f64 {
    (millis * 10.0).round() / 10.0
}

fn time(millis: i64) -> Option<String> {
    let mut text = Vec::new();
    Clock::utc().write(millis, &mut text);
    String::from_utf8(text).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::trace::commits::Commit;

    const TOPIC: &str = "emergency.created";
    const SENT: i64 = 1_795_536_000_000;

    fn about() -> About {
        About::stack("stack sos".to_owned(), String::new())
    }

    fn record(topic: &str, offset: i64) -> Found {
        Found {
            topic: topic.to_owned(),
            partition: 1,
            offset,
            time: SENT + 4,
            received: Some(SENT + 4),
            event_id: Some("1881bdbc-d8ac-89a3-a8d8-41e51fe697eb".to_owned()),
            emergency_id: Some("m-1".to_owned()),
            ..Found::default()
        }
    }

    /// All hops at their milliseconds.
    fn heard(records: Vec<(Found, u64)>, commits: &[(&str, Option<u64>)]) -> Heard {
        let began = Instant::now();
        let at = |millis: u64| began + Duration::from_millis(millis);
        let commit = |(group, millis): &(&str, Option<u64>)| Commit {
            group: (*group).to_owned(),
            at: millis.map(at),
            lag: millis.is_none().then_some(2),
        };
        Heard {
            sent: SENT,
            began: Some(began),
            mqtt_topic: "panic/p-1/press".to_owned(),
            answer: Some((Answer::Acknowledged, at(2))),
            seen: Some(at(3)),
            records: records.into_iter().map(|(found, millis)| (found, at(millis))).collect(),
            commits: commits.iter().map(commit).collect(),
            ..Heard::default()
        }
    }

    fn judged(heard: &Heard, bridging: &Bridging, about: &About) -> Trace {
        let timeout = Duration::from_secs(10);
        of_press(&Case { about, device: "p-1", subscriber: "sos_service", topic: TOPIC, timeout, bridging }, heard)
    }

    fn came(trace: &Trace) -> Vec<(Kind, Option<f64>, Option<f64>)> {
        trace.hops.iter().map(|hop| (hop.hop, hop.after_ms, hop.took_ms)).collect()
    }

    /// The only hop that is missing, why, and what to do.
    fn only_missing(trace: &Trace) -> (Kind, &str, &str) {
        let [missing] = trace.missing.as_slice() else { panic!("{:?}", trace.missing) };
        (missing.hop, &missing.cause, missing.remedy.as_str())
    }

    #[test]
    fn each_hop_has_its_time_and_its_own_latency() {
        let trace = judged(&heard(vec![(record(TOPIC, 7), 20)], &[("alarm", Some(25))]), &Bridging::Unknown, &about());
        let expected = [
            (Kind::Sent, Some(0.0), None),
            (Kind::Acknowledged, Some(2.0), Some(2.0)),
            (Kind::Seen, Some(3.0), Some(3.0)),
            (Kind::Received, Some(4.0), Some(4.0)),
            (Kind::InKafka, Some(20.0), Some(16.0)),
            (Kind::Committed, Some(25.0), Some(5.0)),
        ];
        assert_eq!(came(&trace), expected);
        assert_eq!((trace.missing.len(), trace.notes.len()), (0, 0), "{trace:?}");
        assert_eq!(
            (trace.began.as_deref(), trace.emergency_id.as_deref()),
            (Some("2026-11-24T16:00:00.000Z"), Some("m-1"))
        );
        assert_eq!(trace.hops[4].time.as_deref(), Some("2026-11-24T16:00:00.020Z"));
    }

    #[test]
    fn who_has_not_committed_is_named_with_its_lag() {
        let trace =
            judged(&heard(vec![(record(TOPIC, 7), 20)], &[("a", Some(25)), ("b", None)]), &Bridging::Unknown, &about());
        let (hop, cause, remedy) = only_missing(&trace);
        assert_eq!((hop, cause), (Kind::Committed, "b has not committed it within 10s, lag 2"));
        assert!(remedy.starts_with("sosstack group describe b"), "{remedy}");
        let none = judged(&heard(vec![(record(TOPIC, 7), 20)], &[]), &Bridging::Unknown, &about());
        assert!(none.missing.is_empty() && none.notes[0].contains("the trace ends where Kafka was read"), "{none:?}");
    }

    #[test]
    fn a_press_that_does_not_get_to_kafka_is_somebodys() {
        let nothing = heard(Vec::new(), &[]);
        let works = |waiting| Bridging::Works { bridge: "bridge-0".to_owned(), waiting };
        let (about, elsewhere) = (about(), About::elsewhere("context prod".to_owned(), " --context prod".to_owned()));
        for (bridging, about, hop, cause, remedy) in [
            (
                Bridging::Nobody("bridge-0: it is stopped".to_owned()),
                &about,
                Kind::Received,
                "it is stopped",
                "sosstack up --bridge",
            ),
            (works(0), &about, Kind::Received, "bridge-0 works", "sosstack logs bridge-0"),
            (
                works(1),
                &about,
                Kind::InKafka,
                "1 message waits in the journal of bridge-0: Kafka",
                "sosstack bridge journal inspect",
            ),
            (Bridging::Foreign, &about, Kind::Received, "not the stack's own", "sosstack bridge journal inspect"),
            (
                Bridging::Unknown,
                &elsewhere,
                Kind::Received,
                "nothing came to emergency.created",
                "a bridge is connected",
            ),
        ] {
            let trace = judged(&nothing, &bridging, about);
            let (missing, why, what) = only_missing(&trace);
            assert!(missing == hop && why.contains(cause) && what.contains(remedy), "{bridging:?}: {why}; {what}");
        }
    }

    #[test]
    fn what_mosquitto_refuses_goes_no_further() {
        let at = Instant::now();
        let answer = |answer| Heard { answer, seen: None, ..heard(Vec::new(), &[]) };
        let trace =
            judged(&answer(Some((Answer::Refused("NotAuthorized".to_owned()), at))), &Bridging::Unknown, &about());
        let (hop, cause, remedy) = only_missing(&trace);
        assert_eq!((hop, cause), (Kind::Acknowledged, "Mosquitto refused the press to panic/p-1/press: NotAuthorized"));
        assert!(remedy.contains("device show p-1"), "{remedy}");
        let trace = judged(&answer(None), &Bridging::Nobody(String::new()), &about());
        assert_eq!(only_missing(&trace).0, Kind::Acknowledged, "no bridge is to blame for what Mosquitto has not");
    }

    #[test]
    fn dead_letters_and_redeliveries_are_named() {
        let letter = |offset| Found { reason: Some("it is empty".to_owned()), ..record("dlq.failed-messages", offset) };
        let trace = judged(&heard(vec![(letter(0), 20)], &[]), &Bridging::Unknown, &about());
        let (hop, cause, remedy) = only_missing(&trace);
        assert!(hop == Kind::InKafka && cause.ends_with("(dlq.failed-messages): it is empty"), "{cause}");
        assert!(remedy.contains("tail dlq.failed-messages"), "{remedy}");
        let twice =
            judged(&heard(vec![(record(TOPIC, 7), 20), (record(TOPIC, 8), 30)], &[]), &Bridging::Unknown, &about());
        assert_eq!(came(&twice).last(), Some(&(Kind::Again, Some(30.0), None)));
    }

    #[test]
    fn a_clock_that_differs_is_said_and_moves_no_hop() {
        let ahead = Found { received: Some(SENT + 5_000), ..record(TOPIC, 7) };
        let trace = judged(&heard(vec![(ahead, 20)], &[]), &Bridging::Unknown, &about());
        assert_eq!(came(&trace)[3], (Kind::Received, Some(20.0), Some(20.0)));
        assert!(trace.notes[0].contains("5000 ms after"), "{:?}", trace.notes);
        let other = Found { received: None, ..record(TOPIC, 7) };
        let trace = judged(&heard(vec![(other, 20)], &[]), &Bridging::Unknown, &about());
        assert!(trace.hops.iter().all(|hop| hop.hop != Kind::Received) && trace.notes[0].contains("received-at"));
    }

    #[test]
    fn what_happened_is_told_from_records() {
        let device_time = Some((SENT - 1_000).to_string());
        let first = Found { device_time, is_duplicate: true, ..record(TOPIC, 7) };
        let letter = Found { reason: Some("no owner".to_owned()), ..record("dlq.failed-messages", 3) };
        let resolved = Found { time: SENT + 60_000, ..record("emergency.resolved", 1) };
        let standing = |group: &str, committed, has_members| Standing {
            group: group.to_owned(),
            has_members,
            committed,
            lag: Some(4),
        };
        let groups = [standing("a", Some(8), true), standing("b", Some(7), false), standing("c", None, true)];
        let trace = of_past(&about(), TOPIC, &[letter, record(TOPIC, 9), first], &[resolved], &groups);
        let expected = [
            (Kind::Sent, Some(0.0), None),
            (Kind::Received, Some(1004.0), Some(1004.0)),
            // The record's time is the time of receipt.
            (Kind::InKafka, None, None),
            (Kind::Again, None, None),
            (Kind::DeadLetter, None, None),
            (Kind::Later, Some(61_000.0), None),
            (Kind::Committed, None, None),
        ];
        assert_eq!(came(&trace), expected);
        assert_eq!(trace.hops[2].offset, Some(7));
        let causes: Vec<&str> = trace.missing.iter().map(|missing| missing.cause.as_str()).collect();
        assert_eq!(
            causes,
            ["b has not committed it yet, lag 4, and it has no members", "c has not committed it yet, lag 4"]
        );
        assert_eq!(trace.notes, ["Mosquitto sent it to the bridge more than once"]);
    }

    #[test]
    fn a_devices_clock_is_believed_where_it_may_be_right() {
        let at = |text: &str| {
            let found = Found { device_time: Some(text.to_owned()), ..record(TOPIC, 7) };
            of_past(&about(), TOPIC, &[found], &[], &[])
        };
        let wrong = at("1");
        assert!(wrong.hops[0].hop == Kind::Received && wrong.notes[0].ends_with("it said 1"), "{wrong:?}");
        let ahead = at(&(SENT + 60_000).to_string());
        assert_eq!((ahead.hops[0].hop, ahead.hops[0].after_ms, ahead.hops[1].after_ms), (Kind::Sent, None, Some(0.0)));
    }
}
