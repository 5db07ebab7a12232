//! What each sample message would become; no broker is asked.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::map::{Fate, Mapped, Mapper};
use super::record::{Lane, Received, Record};
use crate::message::envelope::Writer;
use crate::message::parse::Envelope;
use crate::message::{Broker, Message};

/// What one sample becomes; one line of `sosstack bridge check --output json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// The sample's number, from 1.
    pub sample: usize,
    /// Of the sample.
    pub topic: String,
    /// The name of the route that takes it; None where none fits.
    pub route: Option<String>,
    pub fate: &'static str,
    /// Why it is not as the route says.
    pub reason: Option<String>,
    pub event_id: String,
    /// Whether each receipt gets an id of its own, as nothing in the message tells it apart.
    pub event_id_is_fresh: bool,
    /// The main one first.
    pub records: Vec<Sent>,
}

/// A record that would be sent.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Sent {
    pub lane: &'static str,
    /// An envelope, as `sub` prints it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub message: Box<RawValue>,
    #[serde(skip)]
    pub record: Record,
}

/// Reads a sample: an envelope, or a topic with the payload after a blank. None for an empty line. `now` is when it is
/// received where it does not say, in milliseconds since 1970.
///
/// # Errors
/// Why it is neither.
pub fn sample(line: &[u8], now: i64, mapper: &Mapper) -> Result<Option<Received>, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Ok(None);
    }
    let received = if line.starts_with(b"{") { of_envelope(line, now)? } else { of_words(line, now)? };
    // A subscription is served at its own QoS at most.
    let most = mapper.routes().find(&received.topic).map(|(_, route, _)| route.qos);
    let qos = most.map_or(received.qos, |most| most.min(received.qos));
    Ok(Some(Received { qos, ..received }))
}

fn of_envelope(line: &[u8], now: i64) -> Result<Received, String> {
    let envelope = Envelope::parse(line).map_err(|error| error.to_string())?;
    let topic = envelope.topic.ok_or("it has no topic")?;
    if envelope.broker == Some(Broker::Kafka) {
        return Err(format!("{topic} is a Kafka topic; the bridge takes MQTT messages"));
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let property = |(name, value): (Vec<u8>, Option<Vec<u8>>)| (text(name), text(value.unwrap_or_default()));
    Ok(Received {
        topic,
        payload: Bytes::from(envelope.value.unwrap_or_default()),
        qos: envelope.qos.unwrap_or(2),
        retained: envelope.retained.unwrap_or_default(),
        duplicate: false,
        at: envelope.time.unwrap_or(now),
        properties: envelope.headers.into_iter().map(property).collect(),
    })
}

/// As `mosquitto_sub -v` prints it.
fn of_words(line: &[u8], now: i64) -> Result<Received, String> {
    let (topic, payload) = match line.iter().position(|byte| *byte == b' ') {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, &line[..0]),
    };
    let topic = str::from_utf8(topic).ok().filter(|topic| topic.contains('/') && !topic.contains(['+', '#']));
    let topic = topic.ok_or("it is neither an envelope ({\"topic\":…,\"value\":…}) nor a topic with its payload")?;
    Ok(Received {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload),
        qos: 2,
        retained: false,
        duplicate: false,
        at: now,
        properties: Vec::new(),
    })
}

/// What becomes of a sample.
pub fn outcome(sample: usize, received: &Received, mapper: &Mapper) -> Outcome {
    let Mapped { event_id, route, fate, records } = mapper.take(received);
    let (fate, reason) = match fate {
        Fate::Routed => ("routed", None),
        Fate::Incomplete(reason) => ("incomplete", Some(reason)),
        Fate::DeadLetter(reason) => ("dead_letter", Some(reason)),
        Fate::Ignored(why) => ("ignored", Some(why.as_str().to_owned())),
    };
    Outcome {
        sample,
        topic: received.topic.clone(),
        route: route.map(|number| mapper.routes().all()[number].name.to_string()),
        fate,
        reason,
        event_id: event_id.id().to_string(),
        event_id_is_fresh: event_id.is_fresh(),
        records: records.into_iter().map(sent).collect(),
    }
}

fn sent(record: Record) -> Sent {
    let header = |(name, value): &(std::sync::Arc<str>, Option<Bytes>)| {
        (name.as_bytes().to_vec(), value.as_ref().map(|value| value.to_vec()))
    };
    let message = Message {
        broker: Broker::Kafka,
        topic: record.topic.to_string(),
        partition: None,
        offset: None,
        qos: None,
        retained: None,
        key: Some(record.key.to_vec()),
        headers: record.headers.iter().map(header).collect(),
        properties: None,
        time: record.time,
        value: record.value.as_ref().map(|value| value.to_vec()),
    };
    let line = Writer::default().line(&message.view());
    Sent { lane: Lane::as_str(record.lane), message: RawValue::from_string(line).expect("an envelope is JSON"), record }
}
