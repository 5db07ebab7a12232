//! What became of each message of a ledger, by what was found in Kafka.
//!
//! Two million messages take 240 MB at most: of each is kept where its line is, and not what it says.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use super::Entry;
use super::target::kafka_topic;
use crate::stack::topic::DEAD_LETTERS;

/// Messages that are named of each kind.
pub const EXAMPLES: usize = 10;
const NEVER: i64 = i64::MIN;

/// A message that is looked for.
struct Message {
    group: u32,
    sequence: u64,
    /// Where its line begins in the ledger.
    at: u64,
    /// When it was acknowledged, at QoS 0 sent; [`NEVER`] where it was not.
    promised: i64,
    /// The time of the first record; [`NEVER`] before there is one.
    first: i64,
    records: u32,
    is_dead_letter: bool,
}

/// Messages of one device to one topic.
struct Group {
    qos: u8,
    /// None where Kafka is not to have them.
    kafka: Option<&'static str>,
}

/// A record of Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: i32,
    /// In milliseconds since 1970.
    pub time: i64,
    pub event_id: &'a [u8],
}

/// All messages of a ledger, and what was found of them so far.
#[derive(Default)]
pub struct Case {
    messages: Vec<Message>,
    /// By a hash of the event id.
    by_id: HashMap<u64, u32>,
    hasher: RandomState,
    groups: Vec<Group>,
    by_name: HashMap<(String, String, u8), u32>,
    /// The latest of each group in each partition: order is a partition's.
    latest: HashMap<(u32, i32), u64>,
    /// Those that came after a later one.
    reordered: Vec<u32>,
    /// Acknowledged at QoS 1 or 2, and not found yet.
    missing: u64,
}

/// The judgement: how many, by QoS, and where the lines of some are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub qos: [OfQos; 3],
    pub lost: Vec<u64>,
    pub duplicated: Vec<u64>,
    pub reordered: Vec<u64>,
    pub late: Vec<u64>,
    pub dead_lettered: Vec<u64>,
}

/// Messages of one QoS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct OfQos {
    pub qos: u8,
    pub messages: u64,
    /// At QoS 1 and 2 by the server; at QoS 0: sent.
    pub promised: u64,
    /// In the topic where they belong.
    pub found: u64,
    /// Promised, and found neither there nor among dead letters.
    pub lost: u64,
    /// Found more than once.
    pub duplicated: u64,
    /// Came after a message that the device sent later to the same topic.
    pub reordered: u64,
    /// Their record's time is later than it may be.
    pub late: u64,
    /// Among dead letters, and not where they belong.
    pub dead_lettered: u64,
    /// Found although nothing had been promised.
    pub found_unacknowledged: u64,
}

impl Verdict {
    /// Whether every promise was kept. What is lost at QoS 0 was never promised.
    pub fn is_kept(&self) -> bool {
        self.broken_promises() == (0, 0)
    }

    /// Messages that are lost at QoS 1 and 2, and those that are out of order.
    pub fn broken_promises(&self) -> (u64, u64) {
        let lost = self.qos.iter().filter(|qos| qos.qos > 0).map(|qos| qos.lost).sum();
        (lost, self.qos.iter().map(|qos| qos.reordered).sum())
    }
}

impl Case {
    /// Enters a message whose line begins at this byte.
    ///
    /// # Errors
    /// When its event id is another message's too: neither could be told from the other.
    pub fn add(&mut self, entry: Entry, at: u64) -> Result<()> {
        let index = u32::try_from(self.messages.len())?;
        if self.by_id.insert(self.hasher.hash_one(entry.event_id.as_bytes()), index).is_some() {
            bail!("the event id {} appears in it twice", entry.event_id);
        }
        let group = self.group(entry.device, entry.topic, entry.qos);
        let promised = if entry.qos == 0 { entry.sent } else { entry.acknowledged };
        self.missing += u64::from(entry.qos > 0 && promised.is_some() && self.groups[group as usize].kafka.is_some());
        self.messages.push(Message {
            group,
            sequence: entry.sequence,
            at,
            promised: promised.unwrap_or(NEVER),
            first: NEVER,
            records: 0,
            is_dead_letter: false,
        });
        Ok(())
    }

    fn group(&mut self, device: String, topic: String, qos: u8) -> u32 {
        let kafka = kafka_topic(&topic);
        let next = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let group = *self.by_name.entry((device, topic, qos)).or_insert(next);
        if group == next {
            self.groups.push(Group { qos, kafka });
        }
        group
    }

    /// The Kafka topics where its messages may be.
    pub fn topics(&self) -> Vec<&'static str> {
        let mut topics: Vec<_> = self.groups.iter().filter_map(|group| group.kafka).chain([DEAD_LETTERS]).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// Messages that were acknowledged at QoS 1 or 2, and that were not found yet.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Takes a record of Kafka in; None where it is none of these messages, else whether it is the first of one.
    pub fn hear(&mut self, record: Record<'_>) -> Option<bool> {
        let index = *self.by_id.get(&self.hasher.hash_one(record.event_id))?;
        let message = &mut self.messages[index as usize];
        let group = &self.groups[message.group as usize];
        let was_missing = message.records == 0 && !message.is_dead_letter;
        if record.topic == DEAD_LETTERS {
            message.is_dead_letter = true;
        } else if group.kafka == Some(record.topic) {
            message.records += 1;
        } else {
            return Some(false);
        }
        if was_missing && group.qos > 0 && message.promised != NEVER {
            self.missing -= 1;
        }
        if message.records == 1 && record.topic != DEAD_LETTERS {
            message.first = record.time;
            let latest = self.latest.entry((message.group, record.partition)).or_default();
            if message.sequence < *latest {
                self.reordered.push(index);
            }
            *latest = message.sequence.max(*latest);
        }
        Some(was_missing)
    }

    /// What to make of it. `late` is how long after its acknowledgement a message's record may be from.
    pub fn verdict(&self, late: Duration) -> Verdict {
        let late = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
        let mut verdict = Verdict {
            qos: [0, 1, 2].map(|qos| OfQos { qos, ..OfQos::default() }),
            lost: Vec::new(),
            duplicated: Vec::new(),
            reordered: Vec::new(),
            late: Vec::new(),
            dead_lettered: Vec::new(),
        };
        let mut never_promised = Vec::new();
        for message in &self.messages {
            judge(message, &self.groups[message.group as usize], late, &mut verdict, &mut never_promised);
        }
        // They do not take the place of those that matter.
        verdict.lost.extend(never_promised);
        verdict.lost.truncate(EXAMPLES);
        for index in &self.reordered {
            let message = &self.messages[*index as usize];
            let qos = &mut verdict.qos[usize::from(self.groups[message.group as usize].qos)];
            count(&mut qos.reordered, &mut verdict.reordered, message);
        }
        verdict
    }
}

fn judge(message: &Message, group: &Group, late: i64, verdict: &mut Verdict, lost_at_0: &mut Vec<u64>) {
    let qos = &mut verdict.qos[usize::from(group.qos)];
    let (is_promised, is_found) = (message.promised != NEVER, message.records > 0);
    qos.messages += 1;
    qos.promised += u64::from(is_promised);
    qos.found += u64::from(is_found);
    qos.found_unacknowledged += u64::from(is_found && !is_promised);
    if group.kafka.is_some() && is_promised && !is_found && !message.is_dead_letter {
        count(&mut qos.lost, if group.qos == 0 { lost_at_0 } else { &mut verdict.lost }, message);
    }
    if message.is_dead_letter && !is_found {
        count(&mut qos.dead_lettered, &mut verdict.dead_lettered, message);
    }
    if message.records > 1 {
        count(&mut qos.duplicated, &mut verdict.duplicated, message);
    }
    if is_promised && is_found && message.first.saturating_sub(message.promised) > late {
        count(&mut qos.late, &mut verdict.late, message);
    }
}

fn count(counter: &mut u64, examples: &mut Vec<u64>, message: &Message) {
    *counter += 1;
    if examples.len() < EXAMPLES {
        examples.push(message.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERTS: &str = "device.alerts";

    fn entry(sequence: u64, qos: u8, acknowledged: Option<i64>) -> Entry {
        let leaf = ["telemetry", "status", "alert"][usize::from(qos)];
        Entry {
            topic: format!("device/d/{leaf}"),
            qos,
            device: "d".to_owned(),
            event_id: format!("{qos}-{sequence}"),
            sequence,
            intended: 0,
            sent: Some(1000),
            acknowledged,
        }
    }

    /// Alerts 1 to `count`, acknowledged after a second.
    fn alerts(count: u64) -> Case {
        let mut case = Case::default();
        (1..=count).for_each(|sequence| case.add(entry(sequence, 2, Some(1000)), sequence).unwrap());
        case
    }

    fn record<'a>(topic: &'a str, id: &'a str) -> Record<'a> {
        Record { topic, partition: 0, time: 1500, event_id: id.as_bytes() }
    }

    fn hear(case: &mut Case, ids: &[&str]) {
        for id in ids {
            assert!(case.hear(record(ALERTS, id)).is_some(), "{id}");
        }
    }

    #[test]
    fn nothing_is_wrong_with_what_is_there_once_and_in_order() {
        let mut case = alerts(3);
        assert_eq!(case.missing(), 3);
        hear(&mut case, &["2-1", "2-2", "2-3"]);
        assert_eq!(case.hear(record(ALERTS, "somebody-elses")), None);
        let verdict = case.verdict(Duration::from_secs(5));
        let fine = OfQos { qos: 2, messages: 3, promised: 3, found: 3, ..OfQos::default() };
        assert!(verdict.is_kept() && verdict.qos[2] == fine && case.missing() == 0, "{verdict:?}");
    }

    #[test]
    fn what_is_lost_doubled_or_swapped_is_named() {
        let mut case = alerts(5);
        hear(&mut case, &["2-1", "2-3", "2-2", "2-2", "2-5"]);
        let verdict = case.verdict(Duration::from_secs(5));
        assert_eq!((&verdict.lost, &verdict.duplicated, &verdict.reordered), (&vec![4], &vec![2], &vec![2]));
        assert_eq!((verdict.broken_promises(), case.missing()), ((1, 1), 1));
        assert!(verdict.late.is_empty() && verdict.dead_lettered.is_empty(), "{verdict:?}");
    }

    #[test]
    fn a_redelivery_is_not_out_of_order() {
        let mut case = alerts(3);
        hear(&mut case, &["2-1", "2-2", "2-1", "2-2", "2-3"]);
        let verdict = case.verdict(Duration::from_secs(5));
        assert!(verdict.is_kept() && verdict.duplicated == [1, 2], "{verdict:?}");
    }

    #[test]
    fn order_is_a_partitions() {
        let mut case = alerts(3);
        for (id, partition) in [("2-2", 1), ("2-1", 0), ("2-3", 0)] {
            case.hear(Record { partition, ..record(ALERTS, id) });
        }
        assert!(case.verdict(Duration::MAX).is_kept());
    }

    #[test]
    fn a_dead_letter_is_not_lost_and_a_wrong_topic_is_no_place() {
        let mut case = alerts(3);
        hear(&mut case, &["2-1"]);
        assert_eq!(case.hear(record(DEAD_LETTERS, "2-2")), Some(true));
        assert_eq!(case.hear(record("device.telemetry", "2-3")), Some(false));
        let verdict = case.verdict(Duration::from_secs(5));
        assert_eq!((&verdict.lost, &verdict.dead_lettered, case.missing()), (&vec![3], &vec![2], 1));
    }

    #[test]
    fn what_was_not_acknowledged_is_owed_to_nobody() {
        let mut case = Case::default();
        case.add(entry(1, 2, None), 1).unwrap();
        case.add(entry(2, 2, None), 2).unwrap();
        case.add(entry(1, 0, None), 3).unwrap();
        assert_eq!(case.missing(), 0);
        hear(&mut case, &["2-2"]);
        let verdict = case.verdict(Duration::from_secs(5));
        assert!(verdict.is_kept() && verdict.qos[2].found_unacknowledged == 1, "{verdict:?}");
        assert_eq!((verdict.qos[0].lost, verdict.qos[2].lost), (1, 0), "counted, and no failure");
    }

    #[test]
    fn what_was_promised_is_named_first() {
        let mut case = Case::default();
        (1..=20).for_each(|sequence| case.add(entry(sequence, 0, None), sequence).unwrap());
        case.add(entry(1, 1, Some(1000)), 99).unwrap();
        let verdict = case.verdict(Duration::ZERO);
        assert_eq!((verdict.lost[0], verdict.lost.len()), (99, EXAMPLES));
    }

    #[test]
    fn what_took_too_long_is_late() {
        let mut case = alerts(1);
        case.hear(Record { time: 6001, ..record(ALERTS, "2-1") });
        assert!(case.verdict(Duration::from_millis(5001)).late.is_empty());
        assert_eq!(case.verdict(Duration::from_secs(5)).qos[2].late, 1);
    }

    #[test]
    fn an_event_id_is_one_messages() {
        let mut case = alerts(1);
        assert!(case.add(entry(1, 2, None), 9).is_err());
    }
}
