//! One dead letter, all of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::letter::{Letter, Origin};
use crate::message::envelope::Writer;
use crate::message::in_calendar;

/// The result of `sosstack bridge dlq show`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// `PARTITION:OFFSET`
    pub id: String,
    /// Of MQTT; None where the bridge's headers are missing.
    pub topic: Option<String>,
    /// The route that could not map it; None where Kafka refused the record.
    pub route: Option<String>,
    /// The Kafka topic that refused the record.
    pub refused_by: Option<String>,
    pub reason: Option<String>,
    pub event_id: Option<String>,
    #[schemars(with = "Option<String>")]
    pub received_at: Option<Timestamp>,
    /// How often its event was replayed before it came here.
    pub attempts: u32,
    /// Whether only the beginning of the original was kept.
    pub cut: bool,
    /// Bytes of the whole original, and their digest, where only the beginning was kept.
    pub original_size: Option<u64>,
    pub original_sha256: Option<String>,
    /// An envelope, as `sub` prints it: its value is the original.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub message: Box<RawValue>,
}

impl Shown {
    pub fn of(letter: &Letter) -> Self {
        let cut = letter.cut();
        let refused_by = match letter.origin() {
            Origin::Record { topic, .. } => Some(topic.to_owned()),
            Origin::Message | Origin::Foreign => None,
        };
        let line = Writer::default().line(&letter.message.view());
        Self {
            id: letter.id.to_string(),
            topic: letter.mqtt_topic().map(str::to_owned),
            route: letter.route().map(Into::into),
            refused_by,
            reason: letter.reason().map(Into::into),
            event_id: letter.event_id().map(|id| id.to_string()),
            received_at: in_calendar(letter.received_at()),
            attempts: letter.attempts(),
            cut: cut.is_some(),
            original_size: cut.as_ref().and_then(|cut| cut.size),
            original_sha256: cut.and_then(|cut| cut.sha256),
            message: RawValue::from_string(line).expect("an envelope is JSON"),
        }
    }
}
