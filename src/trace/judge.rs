//! From what was heard of a press to its trace. Pure.

use super::hop::{Hop, Kind, Trace};
use super::live::Heard;
use super::missing::{Case, missing};
use super::record::Found;
use super::way::{Way, at_place, time};
use crate::mqtt::sender::Answer;

/// By how much a time in whole milliseconds may be off, and what two clocks of one machine may differ.
const INEXACT: f64 = 2.0;

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
            trace.notes.push(format!("no group has members and a commit on {}: the trace ends at Kafka", case.topic));
        }
        let idle =
            |group| format!("{group} reads {} but has committed nothing there: it is not waited for", case.topic);
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
        notes.push("the record has no received-at header: it did not come through sosstack's bridge".to_owned());
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::about::About;
    use crate::trace::commits::Commit;
    use crate::trace::missing::Bridging;

    const TOPIC: &str = "emergency.created";
    const SENT: i64 = 1_795_536_000_000;

    fn about() -> About {
        About::stack("stack sos".to_owned(), String::new())
    }

    fn record(topic: &str, offset: i64) -> Found {
        Found {
            event_id: Some("1881bdbc-d8ac-89a3-a8d8-41e51fe697eb".to_owned()),
            emergency_id: Some("m-1".to_owned()),
            ..Found::received_at(topic, offset, SENT + 4)
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
        assert!(none.missing.is_empty() && none.notes[0].contains("the trace ends at Kafka"), "{none:?}");
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
            (works(0), &about, Kind::Received, "bridge-0 is working", "sosstack logs bridge-0"),
            (
                works(1),
                &about,
                Kind::InKafka,
                "1 message waits in the journal of bridge-0: Kafka",
                "sosstack bridge journal inspect",
            ),
            (
                Bridging::Foreign,
                &about,
                Kind::Received,
                "other than the stack's own",
                "sosstack bridge journal inspect",
            ),
            (
                Bridging::Unknown,
                &elsewhere,
                Kind::Received,
                "nothing reached emergency.created",
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
        assert!(remedy.contains("bridge dlq show "), "{remedy}");
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
}
