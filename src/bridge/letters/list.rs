//! Dead letters in short, one a row.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::letter::Letter;
use crate::message::in_calendar;

/// One dead letter; an element of `sosstack bridge dlq list --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// `PARTITION:OFFSET`
    pub id: String,
    /// When the bridge received the message; None where no calendar has it.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// Of MQTT; None where the bridge's headers are missing.
    pub topic: Option<String>,
    /// The device or user.
    pub key: Option<String>,
    pub reason: Option<String>,
    pub event_id: Option<String>,
    /// How often its event was replayed before it came here.
    pub attempts: u32,
    /// Of the original, also where only its beginning was kept.
    pub bytes: u64,
    /// Whether only the beginning was kept.
    pub cut: bool,
}

impl Row {
    pub fn of(letter: &Letter) -> Self {
        let cut = letter.cut();
        let kept = letter.message.value.as_ref().map_or(0, Vec::len) as u64;
        Self {
            id: letter.id.to_string(),
            time: in_calendar(letter.message.time),
            topic: letter.mqtt_topic().map(str::to_owned),
            key: letter.message.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned()),
            reason: letter.reason().map(Into::into),
            event_id: letter.event_id().map(|id| id.to_string()),
            attempts: letter.attempts(),
            bytes: cut.as_ref().and_then(|cut| cut.size).unwrap_or(kept),
            cut: cut.is_some(),
        }
    }
}
