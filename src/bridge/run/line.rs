//! A happening as a line of JSON.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::happening::Happening;
use crate::bridge::journal::Finding;

/// What `bridge run` prints of a [`Happening`].
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line<'a> {
    /// When it was told, RFC 3339.
    pub time: String,
    pub event: Name,
    pub level: Level,
    /// As people read it.
    pub message: String,
    /// The process id of the active bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<&'a str>,
    /// Whether the session is one of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'a str>,
    /// Between which times messages may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<&'a Finding>,
    /// Topic, partition and offset in Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<&'a str>,
    /// Of MQTT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// Which of the happenings it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    Standby,
    Active,
    Connected,
    Resubscribed,
    Disconnected,
    SessionLost,
    Journaling,
    CaughtUp,
    Room,
    JournalProblem,
    JournalWorks,
    JournalDamaged,
    DeadLetter,
    StatusHeld,
    StatusFlows,
    StatusSkipped,
    ProbeFails,
    ProbeWorks,
}

/// Whether somebody has to look after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Info,
    Warning,
}

impl<'a> Line<'a> {
    /// Of what was told at `time`.
    pub fn of(happening: &'a Happening, time: Timestamp) -> Self {
        let level = if happening.is_warning() { Level::Warning } else { Level::Info };
        let with = |event| Self {
            time: format!("{time:.3}"),
            event,
            level,
            message: happening.to_string(),
            holder: None,
            resumed: None,
            cause: None,
            since: None,
            until: None,
            lane: None,
            damaged: None,
            record: None,
            topic: None,
            reason: None,
        };
        match happening {
            Happening::Standby { holder } => Self { holder: holder.as_deref(), ..with(Name::Standby) },
            Happening::Active => with(Name::Active),
            Happening::Connected { resumed } => Self { resumed: Some(*resumed), ..with(Name::Connected) },
            Happening::Resubscribed => with(Name::Resubscribed),
            Happening::Disconnected { cause } => Self { cause: Some(cause), ..with(Name::Disconnected) },
            Happening::SessionLost { since, now } => {
                Self { since: Some(moment(*since)), until: Some(moment(*now)), ..with(Name::SessionLost) }
            }
            Happening::Journaling { lane } => Self { lane: Some(lane), ..with(Name::Journaling) },
            Happening::CaughtUp { lane } => Self { lane: Some(lane), ..with(Name::CaughtUp) },
            Happening::Room { .. } => with(Name::Room),
            Happening::JournalProblem { cause } => Self { cause: Some(cause), ..with(Name::JournalProblem) },
            Happening::JournalWorks => with(Name::JournalWorks),
            Happening::JournalDamaged { finding } => Self { damaged: Some(finding), ..with(Name::JournalDamaged) },
            Happening::DeadLetter { topic, reason } => {
                Self { topic: Some(topic), reason: Some(reason), ..with(Name::DeadLetter) }
            }
            Happening::StatusHeld { cause } => Self { cause: Some(cause), ..with(Name::StatusHeld) },
            Happening::StatusFlows => with(Name::StatusFlows),
            Happening::StatusSkipped { record, reason } => {
                Self { record: Some(record), reason: Some(reason), ..with(Name::StatusSkipped) }
            }
            Happening::ProbeFails { cause } => Self { cause: Some(cause), ..with(Name::ProbeFails) },
            Happening::ProbeWorks { .. } => with(Name::ProbeWorks),
        }
    }
}

fn moment(millis: i64) -> String {
    format!("{:.3}", Timestamp::from_millisecond(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_and_when() {
        let time = Timestamp::from_millisecond(1_000_000_123).unwrap();
        let line = |happening: &Happening| serde_json::to_string(&Line::of(happening, time)).unwrap();
        let lost = line(&Happening::SessionLost { since: 1000, now: 2000 });
        let begin =
            r#"{"time":"1970-01-12T13:46:40.123Z","event":"session_lost","level":"warning","message":"Mosquitto "#;
        let end = r#","since":"1970-01-01T00:00:01.000Z","until":"1970-01-01T00:00:02.000Z"}"#;
        assert!(lost.starts_with(begin) && lost.ends_with(end), "{lost}");
        let standby = line(&Happening::Standby { holder: None });
        assert!(standby.contains(r#""event":"standby","level":"info""#) && !standby.contains("holder"), "{standby}");
    }
}
