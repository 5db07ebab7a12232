//! What becomes of dead letters by the routes of today: planned first, as data; sent by whoever carries it out.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::found::{Found, Sought};
use super::id::LetterId;
use super::letter::{Letter, Origin, REPLAY_ATTEMPTS, REPLAYED_FROM};
use crate::bridge::event_id::{EventId, Id};
use crate::bridge::map::{At, Fate as Mapping, Mapper};
use crate::bridge::record::{Lane, Record};
use crate::bridge::routes::Routes;
use crate::message::in_calendar;

/// An event that was replayed so often is not replayed again: whoever reads it sends it back each time.
const MOST_ATTEMPTS: u32 = 3;
/// What Kafka topics of emergencies begin with, also where the routes of today lead elsewhere.
const EMERGENCIES: &str = "emergency.";
/// A header that the user properties of a message have where they were too large to be kept.
const OMITTED: &str = "mqtt.user-omitted";

/// The plan and the result of `sosstack bridge dlq replay`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replay {
    /// The topic of the dead letters.
    pub dead_letters: String,
    /// Whether it was carried out.
    pub done: bool,
    /// How many records Kafka acknowledged.
    pub sent: u64,
    /// In the order of their time.
    pub letters: Vec<Step>,
}

/// One dead letter's part of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Step {
    /// `PARTITION:OFFSET`
    pub id: String,
    /// When the bridge received the message.
    #[schemars(with = "Option<String>")]
    pub received_at: Option<Timestamp>,
    /// Of MQTT; None where the bridge's headers are missing.
    pub topic: Option<String>,
    pub event_id: Option<String>,
    pub fate: Fate,
    /// The Kafka topic that its record goes to.
    pub to: Option<String>,
    /// Whether that opens or tells of an emergency.
    pub emergency: bool,
    /// How often its event will then have been replayed.
    pub attempts: u32,
    /// Why it is not sent, or what has to be known of it.
    pub reason: Option<String>,
    /// What is sent; its time is that of sending.
    #[serde(skip)]
    pub record: Option<Record>,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It will be sent.
    Planned,
    /// Kafka has acknowledged it.
    Sent,
    /// Kafka has not acknowledged it.
    Unsent,
    /// By the routes of today it cannot be mapped either.
    Unmapped,
    /// It must not be sent: it is not whole, was replayed before, or goes round in a loop.
    Refused,
}

/// One dead letter, mapped: what Kafka has of it is not known yet.
pub struct Draft {
    id: LetterId,
    event: Option<Id>,
    /// The record's time of the letter, in milliseconds since 1970.
    time: i64,
    /// Of an emergency: what is not known of it today either.
    incomplete: Option<String>,
    step: Step,
}

/// What a letter becomes, or why nothing.
struct Made {
    record: Record,
    incomplete: Option<String>,
}

/// Why nothing is sent.
struct Obstacle {
    fate: Fate,
    reason: String,
}

fn refused(reason: impl Into<String>) -> Obstacle {
    Obstacle { fate: Fate::Refused, reason: reason.into() }
}

fn unmapped(reason: impl Into<String>) -> Obstacle {
    Obstacle { fate: Fate::Unmapped, reason: reason.into() }
}

impl Draft {
    /// Maps a letter. Blocks as [`Mapper::map`] does.
    pub fn of(letter: &Letter, mapper: &Mapper) -> Self {
        let (id, event) = (letter.id, letter.event_id());
        let attempts = letter.attempts().saturating_add(1);
        let (fate, made, reason) = match make(letter, mapper) {
            Ok(made) => (Fate::Planned, Some(made), None),
            Err(Obstacle { fate, reason }) => (fate, None, Some(reason)),
        };
        let (record, incomplete) =
            made.map_or((None, None), |made| (Some(mark(made.record, id, attempts)), made.incomplete));
        let step = Step {
            id: id.to_string(),
            received_at: in_calendar(letter.received_at()),
            topic: letter.mqtt_topic().map(str::to_owned),
            event_id: event.map(|event| event.to_string()),
            fate,
            to: record.as_ref().map(|record| record.topic.to_string()),
            emergency: record.as_ref().is_some_and(|record| is_emergency(record, mapper.routes())),
            attempts,
            reason,
            record,
        };
        Self { id, event, time: letter.message.time, incomplete, step }
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        self.step.record.as_ref().and_then(|record| record.value.as_ref()).map_or(0, Bytes::len)
    }

    /// What is sent, once it is known what Kafka has.
    fn settled(mut self, found: &Found) -> Step {
        let (Some(to), Some(event)) = (self.step.to.clone(), self.event) else { return self.step };
        let is_there = found.has(&to, event);
        let obstacle = match self.incomplete {
            _ if found.lacks(&to) => Some(unmapped(format!("there is no topic {to}"))),
            _ if found.is_replayed(self.id, event) => Some(refused("it was replayed before: its record exists")),
            // It is an emergency already, and nothing more is known of it.
            Some(reason) if is_there => Some(unmapped(reason)),
            Some(reason) => {
                self.step.reason = Some(format!("incomplete: {reason}"));
                None
            }
            None if is_there => {
                self.step.reason = Some(format!("{to} already has a record of this event"));
                None
            }
            None => None,
        };
        if let Some(Obstacle { fate, reason }) = obstacle {
            let nothing = Step { fate, reason: Some(reason), to: None, emergency: false, record: None, ..self.step };
            return nothing;
        }
        self.step
    }
}

/// What has to be looked for in the topics that records go to: earlier replays, and the events themselves.
pub fn sought(drafts: &[Draft]) -> Sought {
    let planned = || drafts.iter().filter(|draft| draft.step.record.is_some());
    let topics: BTreeSet<&String> = planned().filter_map(|draft| draft.step.to.as_ref()).collect();
    let since = planned().map(|draft| draft.time).min().unwrap_or_default();
    let events = planned().filter_map(|draft| draft.event).collect();
    Sought { topics: topics.into_iter().cloned().collect(), events, since }
}

impl Replay {
    pub fn plan(drafts: Vec<Draft>, found: &Found, routes: &Routes) -> Self {
        let letters = drafts.into_iter().map(|draft| draft.settled(found)).collect();
        Self { dead_letters: routes.dead_letters().to_string(), done: false, sent: 0, letters }
    }

    /// Those of a fate.
    pub fn of(&self, fate: Fate) -> usize {
        self.letters.iter().filter(|step| step.fate == fate).count()
    }

    /// Records that will be sent and are of emergencies.
    pub fn emergencies(&self) -> usize {
        self.letters.iter().filter(|step| step.fate == Fate::Planned && step.emergency).count()
    }
}

fn make(letter: &Letter, mapper: &Mapper) -> Result<Made, Obstacle> {
    if letter.origin() == Origin::Foreign {
        return Err(refused("the bridge's headers are missing, so its origin is unknown"));
    }
    if letter.cut().is_some() {
        return Err(refused("only its beginning was kept: the whole message is larger than Kafka accepts"));
    }
    if letter.attempts() >= MOST_ATTEMPTS {
        return Err(refused(format!("its event was replayed {} times and came back each time", letter.attempts())));
    }
    let made = match letter.origin() {
        Origin::Record { topic, headers } => Made { record: as_made(letter, topic, headers), incomplete: None },
        Origin::Message | Origin::Foreign => mapped(letter, mapper)?,
    };
    if made.record.topic.starts_with("__") {
        return Err(refused(format!("{} is an internal topic of the brokers", made.record.topic)));
    }
    if made.record.topic == *mapper.routes().dead_letters() {
        return Err(refused("it would become a dead letter again"));
    }
    Ok(made)
}

/// What Kafka refused goes as it is: its route has done its part, and the payload is not there any more.
fn as_made(letter: &Letter, topic: &str, headers: usize) -> Record {
    let header = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
        (Arc::from(String::from_utf8_lossy(name)), value.clone().map(Bytes::from))
    };
    Record {
        lane: Lane::Rest,
        topic: Arc::from(topic),
        key: letter.message.key.clone().map(Bytes::from).unwrap_or_default(),
        headers: letter.message.headers[..headers].iter().map(header).collect(),
        value: letter.message.value.clone().map(Bytes::from),
        time: letter.message.time,
    }
}

fn mapped(letter: &Letter, mapper: &Mapper) -> Result<Made, Obstacle> {
    let (Some(received), Some(event)) = (letter.received(), letter.event_id()) else {
        return Err(refused("the bridge's headers are missing"));
    };
    let at = At { owners: mapper.owners(), event_id: Some(EventId::Stable(event)), may_use_jq: true };
    let mapped = mapper.map(&received, &at);
    let incomplete = match mapped.fate {
        Mapping::Routed => None,
        Mapping::Incomplete(reason) => Some(reason),
        Mapping::DeadLetter(reason) => return Err(unmapped(reason)),
        Mapping::Ignored(why) => return Err(unmapped(why.as_str())),
    };
    // Of an incomplete emergency the second one is a copy for the dead letters, which have it.
    let first = mapped.records.into_iter().next();
    let mut record = first.ok_or_else(|| unmapped("nothing comes of it"))?;
    let omitted = letter.message.headers.iter().find(|(name, _)| name == OMITTED.as_bytes());
    record.headers.extend(omitted.map(|(_, value)| (Arc::from(OMITTED), value.clone().map(Bytes::from))));
    Ok(Made { record, incomplete })
}

/// Tells readers that it was replayed, and from where.
fn mark(mut record: Record, id: LetterId, attempts: u32) -> Record {
    record.headers.retain(|(name, _)| &**name != REPLAYED_FROM && &**name != REPLAY_ATTEMPTS);
    let header = |name: &str, text: String| (Arc::from(name), Some(Bytes::from(text)));
    record.headers.push(header(REPLAYED_FROM, id.to_string()));
    record.headers.push(header(REPLAY_ATTEMPTS, attempts.to_string()));
    record
}

fn is_emergency(record: &Record, routes: &Routes) -> bool {
    record.topic.starts_with(EMERGENCIES)
        || routes.all().iter().any(|route| route.emergency && route.topic == record.topic)
}

#[cfg(test)]
mod tests;
