//! From the records of one that happened to its trace. Pure.

use super::hop::{Hop, Kind, Missing, Trace};
use super::missing::{behind, describe};
use super::record::Found;
use super::way::{Way, at_place, time};
use crate::about::About;
use crate::bridge::plausible_time;

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

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "emergency.created";
    const SENT: i64 = 1_795_536_000_000;

    fn about() -> About {
        About::stack("stack sos".to_owned(), String::new())
    }

    fn record(topic: &str, offset: i64) -> Found {
        Found::received_at(topic, offset, SENT + 4)
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
        let came: Vec<_> = trace.hops.iter().map(|hop| (hop.hop, hop.after_ms, hop.took_ms)).collect();
        assert_eq!(came, expected);
        assert_eq!(trace.hops[2].offset, Some(7));
        let causes: Vec<&str> = trace.missing.iter().map(|missing| missing.cause.as_str()).collect();
        assert_eq!(
            causes,
            ["b has not committed it yet, lag 4, and it has no members", "c has not committed it yet, lag 4"]
        );
        assert_eq!(trace.notes, ["Mosquitto sent it to the bridge more than once"]);
    }

    #[test]
    fn records_whose_time_is_none_are_told_all_the_same() {
        for time in [crate::message::NO_TIME, i64::MIN, i64::MAX, 1_795_536_000_123_456] {
            let found = Found { time, ..record(TOPIC, 7) };
            let bare = Found { received: None, ..found.clone() };
            for trace in [
                of_past(&about(), TOPIC, &[found], std::slice::from_ref(&bare), &[]),
                of_past(&about(), TOPIC, &[bare], &[], &[]),
            ] {
                let hop = trace.hops.iter().find(|hop| hop.hop == Kind::InKafka).unwrap();
                assert_eq!((&hop.time, hop.after_ms), (&None, None), "{trace:?}");
            }
        }
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
