//! A message of either broker: what pub, sub and tail share.
//!
//! [`envelope`] writes it as one JSON object a line, [`parse`] reads that back, exact to the byte.
//! `docs/clients.md` is the envelope's reference.

mod clock;
pub mod envelope;
pub mod json;
pub mod mqtt;
pub mod parse;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use clock::{Clock, in_calendar, now};

/// Kafka's word for the time of a record that has none.
pub const NO_TIME: i64 = -1;

/// Which broker a message went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Broker {
    Kafka,
    Mqtt,
}

impl Broker {
    /// The word that stands for it in envelopes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Mqtt => "mqtt",
        }
    }
}

/// What a publisher may tell of a message in MQTT 5, beside the user properties, which are headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    /// 0: bytes, 1: UTF-8.
    pub payload_format: Option<u8>,
    /// Seconds that are left of its life.
    pub expiry: Option<u32>,
}

impl Properties {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A name, which may be any bytes in Kafka, with its value, which may be Kafka's null.
pub type Header<'a> = (Cow<'a, [u8]>, Option<&'a [u8]>);
/// In order, as often as they came.
pub type Headers<'a> = Vec<Header<'a>>;

/// A message as it lies in a client's memory. Absent and empty are different: None is Kafka's null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<'a> {
    pub broker: Broker,
    pub topic: Cow<'a, str>,
    /// Kafka's only.
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    /// MQTT's only.
    pub qos: Option<u8>,
    /// Whether it was published to be kept for future subscribers.
    pub retained: Option<bool>,
    /// MQTT has no keys.
    pub key: Option<&'a [u8]>,
    /// MQTT 5: user properties.
    pub headers: Headers<'a>,
    pub properties: Option<&'a Properties>,
    /// Kafka: the record's timestamp, in milliseconds unless its producer took others for them; [`NO_TIME`] where there
    /// is none. MQTT messages have none: when it was received.
    pub time: i64,
    pub value: Option<&'a [u8]>,
}

/// A message that outlives the client's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub broker: Broker,
    pub topic: String,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub qos: Option<u8>,
    pub retained: Option<bool>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub properties: Option<Properties>,
    /// As in [`View`].
    pub time: i64,
    pub value: Option<Vec<u8>>,
}

impl<'a> View<'a> {
    /// The value of the last header of this name, as Kafka's own clients take it.
    pub fn header(&self, wanted: &str) -> Option<&'a [u8]> {
        self.headers.iter().rev().find(|(name, _)| name.as_ref() == wanted.as_bytes())?.1
    }
}

impl View<'_> {
    /// A copy that can be kept.
    pub fn to_message(&self) -> Message {
        let header = |(name, value): &(Cow<'_, [u8]>, Option<&[u8]>)| (name.to_vec(), value.map(<[u8]>::to_vec));
        Message {
            broker: self.broker,
            topic: self.topic.to_string(),
            partition: self.partition,
            offset: self.offset,
            qos: self.qos,
            retained: self.retained,
            key: self.key.map(<[u8]>::to_vec),
            headers: self.headers.iter().map(header).collect(),
            properties: self.properties.cloned(),
            time: self.time,
            value: self.value.map(<[u8]>::to_vec),
        }
    }
}

impl Message {
    pub fn view(&self) -> View<'_> {
        let headers = self.headers.iter().map(|(name, value)| (Cow::Borrowed(name.as_slice()), value.as_deref()));
        View {
            broker: self.broker,
            topic: Cow::Borrowed(&self.topic),
            partition: self.partition,
            offset: self.offset,
            qos: self.qos,
            retained: self.retained,
            key: self.key.as_deref(),
            headers: headers.collect(),
            properties: self.properties.as_ref(),
            time: self.time,
            value: self.value.as_deref(),
        }
    }
}
