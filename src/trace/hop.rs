//! A trace as data: the hops that came, and those that did not.

use schemars::JsonSchema;
use serde::Serialize;

use crate::about::Remedy;

/// The way of one event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct Trace {
    /// The header `event-id`; None where nothing got to Kafka, or what brought it there sets none.
    pub event_id: Option<String>,
    pub emergency_id: Option<String>,
    /// The payload's `eventId`, as the device wrote it.
    pub device_event_id: Option<String>,
    pub mqtt_topic: Option<String>,
    /// RFC 3339: what `after_ms` counts from.
    pub began: Option<String>,
    pub hops: Vec<Hop>,
    pub missing: Vec<Missing>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// A hop that came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct Hop {
    pub hop: Kind,
    /// Of Kafka, with partition and offset: where the record is.
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    /// The group that has committed it.
    pub group: Option<String>,
    /// Why it is a dead letter, or what is not known of an emergency.
    pub reason: Option<String>,
    /// RFC 3339; None where it is not known.
    pub time: Option<String>,
    /// Milliseconds since it began; None where the time is not known.
    pub after_ms: Option<f64>,
    /// Milliseconds since the hop that it waited for.
    pub took_ms: Option<f64>,
}

/// A hop that did not come, and what to look at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Missing {
    pub hop: Kind,
    pub group: Option<String>,
    /// Messages of the partition that the group has not committed.
    pub lag: Option<i64>,
    pub cause: String,
    pub remedy: Remedy,
}

/// Which hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The device sent it.
    #[default]
    Sent,
    /// Mosquitto told the device that it has it.
    Acknowledged,
    /// A subscriber of Mosquitto got it.
    Seen,
    /// The bridge got it.
    Received,
    /// Our reader got its record, or found it.
    InKafka,
    /// In Kafka once more, as a redelivery.
    Again,
    /// With the dead letters.
    DeadLetter,
    /// A later record about the same emergency.
    Later,
    /// By a consumer group.
    Committed,
}

impl Hop {
    /// For people.
    pub fn words(&self) -> String {
        let place = self.place();
        match self.hop {
            Kind::Sent => "sent by the device".to_owned(),
            Kind::Acknowledged => "acknowledged by Mosquitto".to_owned(),
            Kind::Seen => "seen by a subscriber of Mosquitto".to_owned(),
            Kind::Received => "received by the bridge".to_owned(),
            Kind::InKafka => format!("in Kafka: {place}"),
            Kind::Again => format!("in Kafka again, redelivered: {place}"),
            Kind::DeadLetter => format!("dead letter: {place}"),
            Kind::Later => place,
            Kind::Committed => format!("committed by {}", self.group.as_deref().unwrap_or_default()),
        }
    }

    /// `topic[partition]@offset`
    fn place(&self) -> String {
        let (topic, partition, offset) = (self.topic.as_deref(), self.partition, self.offset);
        format!("{}[{}]@{}", topic.unwrap_or_default(), partition.unwrap_or_default(), offset.unwrap_or_default())
    }
}

impl Missing {
    /// For people, beside the hops that came.
    pub fn words(&self) -> String {
        match self.hop {
            Kind::Acknowledged => "not acknowledged by Mosquitto".to_owned(),
            Kind::Seen => "not seen by a subscriber of Mosquitto".to_owned(),
            Kind::Received => "not received by a bridge".to_owned(),
            Kind::Committed => format!("not committed by {}", self.group.as_deref().unwrap_or_default()),
            _ => "not in Kafka".to_owned(),
        }
    }
}
