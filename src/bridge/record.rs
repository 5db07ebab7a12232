//! What the bridge receives, and what it makes of it: the two ends between which nothing may be lost.

use std::sync::Arc;

use bytes::Bytes;

use crate::stack::topic::PROBE_TOPIC;

/// A message as Mosquitto delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Bytes,
    /// 0, 1 or 2: the QoS of the delivery, which is at most the publisher's.
    pub qos: u8,
    /// The server's own copy, kept from before the subscription.
    pub retained: bool,
    /// Sent before, as the server remembers it.
    pub duplicate: bool,
    /// When it was received, in milliseconds since 1970.
    pub at: i64,
    /// The publisher's user properties, in order.
    pub properties: Vec<(String, String)>,
}

/// What must not wait for what. A lane that stands still holds no other one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    Emergencies,
    Alerts,
    Rest,
}

impl Lane {
    /// The most urgent one first.
    pub const ALL: [Self; 3] = [Self::Emergencies, Self::Alerts, Self::Rest];

    /// Its name in metrics, messages and the journal's folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emergencies => "emergencies",
            Self::Alerts => "alerts",
            Self::Rest => "rest",
        }
    }
}

/// What goes to Kafka. All of it was decided at receipt: no later change of routes or owners touches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub lane: Lane,
    pub topic: Arc<str>,
    pub key: Bytes,
    /// Without a value, `None`, a header is there and null.
    pub headers: Vec<(Arc<str>, Option<Bytes>)>,
    pub value: Option<Bytes>,
    /// Of receipt, in milliseconds since 1970.
    pub time: i64,
}

impl Record {
    /// Whether it is the bridge's own, which counts nowhere and becomes nobody's dead letter.
    pub fn is_probe(&self) -> bool {
        &*self.topic == PROBE_TOPIC
    }
}
