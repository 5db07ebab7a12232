//! A record of Kafka as far as a trace is concerned.

use jiff::Timestamp;
use memchr::memmem;
use serde::Deserialize;

use crate::bridge::event_id::Id;
use crate::message::View;

/// What a record tells of the event that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// The record's own, in milliseconds since 1970.
    pub time: i64,
    pub event_id: Option<String>,
    pub device_event_id: Option<String>,
    /// As the device wrote it.
    pub device_time: Option<String>,
    /// In milliseconds since 1970.
    pub received: Option<i64>,
    pub mqtt_topic: Option<String>,
    /// Mosquitto had sent it before.
    pub is_duplicate: bool,
    pub emergency_id: Option<String>,
    pub reason: Option<String>,
}

/// What is looked for in a value.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    emergency_id: Scalar,
    event_id: Scalar,
}

/// A text or a number; anything else is nothing.
#[derive(Deserialize, Default)]
#[serde(from = "serde_json::Value")]
struct Scalar(Option<String>);

impl From<serde_json::Value> for Scalar {
    fn from(value: serde_json::Value) -> Self {
        Self(match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }
}

impl Found {
    /// None of what is not a record of Kafka.
    pub fn of(message: &View<'_>) -> Option<Self> {
        let header = |wanted: &str| message.header(wanted).map(|value| String::from_utf8_lossy(value).into_owned());
        let payload: Payload = message.value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
        let received = header("received-at").and_then(|text| text.parse::<Timestamp>().ok());
        Some(Self {
            topic: message.topic.to_string(),
            partition: message.partition?,
            offset: message.offset?,
            time: message.time,
            event_id: header("event-id"),
            device_event_id: header("device-event-id").or(payload.event_id.0),
            device_time: header("device-time"),
            received: received.map(Timestamp::as_millisecond),
            mqtt_topic: header("mqtt.topic"),
            is_duplicate: header("mqtt.dup").as_deref() == Some("true"),
            emergency_id: payload.emergency_id.0,
            reason: header("reason"),
        })
    }

    /// Whether it is about this event or emergency.
    pub fn is_about(&self, id: &str) -> bool {
        [&self.event_id, &self.device_event_id, &self.emergency_id].into_iter().flatten().any(|own| own == id)
            || self.derived().as_deref() == Some(id)
    }

    /// The emergency's id, by its value or, of a dead letter, by its event's.
    pub fn emergency(&self) -> Option<String> {
        self.emergency_id.clone().or_else(|| self.derived())
    }

    fn derived(&self) -> Option<String> {
        Some(self.event_id.as_ref()?.parse::<Id>().ok()?.emergency().to_string())
    }

    /// What tells its event from others: those of devices alone may be the same for two.
    pub fn event(&self) -> Option<&str> {
        self.event_id.as_deref().or(self.emergency_id.as_deref()).or(self.device_event_id.as_deref())
    }
}

#[cfg(test)]
impl Found {
    /// A record that the bridge has received and made at this time.
    pub(super) fn received_at(topic: &str, offset: i64, time: i64) -> Self {
        Self { topic: topic.to_owned(), partition: 1, offset, time, received: Some(time), ..Self::default() }
    }
}

/// Whether a message may contain an id: a quick check that never misses one. An emergency's id need not be in it, as it
/// derives from the header `event-id`.
pub(super) fn mentions(message: &View<'_>, id: &str) -> bool {
    message.value.is_some_and(|value| memmem::find(value, id.as_bytes()).is_some())
        || message.headers.iter().any(|(name, value)| {
            let is_event_id = name.as_ref() == b"event-id";
            value.is_some_and(|value| value == id.as_bytes() || (is_event_id && derives(value, id)))
        })
}

fn derives(event_id: &[u8], id: &str) -> bool {
    let event_id = str::from_utf8(event_id).ok().and_then(|text| text.parse::<Id>().ok());
    event_id.is_some_and(|event_id| event_id.emergency().to_string() == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Broker, Message};

    const EVENT: &str = "1881bdbc-d8ac-89a3-a8d8-41e51fe697eb";

    fn message(headers: &[(&str, &str)], value: &str) -> Message {
        let header = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        Message {
            broker: Broker::Kafka,
            topic: "emergency.created".to_owned(),
            partition: Some(1),
            offset: Some(42),
            qos: None,
            retained: None,
            key: None,
            headers: headers.iter().map(header).collect(),
            properties: None,
            time: 5,
            value: Some(value.as_bytes().to_vec()),
        }
    }

    #[test]
    fn a_record_is_known_by_each_of_its_ids() {
        let emergency = EVENT.parse::<Id>().unwrap().emergency().to_string();
        let headers = [("event-id", EVENT), ("device-event-id", "e-1"), ("received-at", "1970-01-01T00:00:00.007Z")];
        let ours = message(&headers, &format!(r#"{{"emergencyId":"{emergency}"}}"#));
        let letter = message(&headers[..1], "not JSON");
        let found = Found::of(&ours.view()).unwrap();
        assert_eq!((found.received, found.partition, found.offset), (Some(7), 1, 42));
        for id in [EVENT, "e-1", &emergency] {
            assert!(found.is_about(id) && mentions(&ours.view(), id), "{id}");
        }
        // A dead letter has no emergency's id; that of its event leads there.
        let found = Found::of(&letter.view()).unwrap();
        assert!(found.is_about(&emergency) && mentions(&letter.view(), &emergency));
        assert_eq!(found.emergency(), Some(emergency));
        for other in ["e-2", "", &EVENT[..35]] {
            assert!(!found.is_about(other), "{other}");
        }
        let numbered = message(&[], r#"{"eventId":17,"emergencyId":{}}"#);
        assert!(Found::of(&numbered.view()).unwrap().is_about("17"), "other bridges set no headers");
    }
}
