//! What was acknowledged to whom, when, as a file; and whether Kafka has it.
//!
//! `simulate` writes the file while it runs. [`search`] reads Kafka and nothing else, and [`verdict`] judges: neither
//! knows anything of what carries messages from MQTT to Kafka, so that either can convict it. What `pub` says of its lines
//! is another, smaller thing: [`crate::publish::Ledger`].
//!
//! The file has a JSON object a line: [`Header`], then an [`Entry`] for each message, in the order in which they were
//! acknowledged. A kill may tear the last line, which is then not a message.

pub mod book;
pub mod read;
pub mod search;
mod target;
pub mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of the format. A file of another one is refused.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`] when it was written.
    pub ledger: u32,
    pub scenario: String,
    pub seed: u64,
    pub devices: u32,
    /// Messages a second that were to be sent.
    pub rate: f64,
    /// The stack or the cluster, as commands name it.
    pub stack: String,
    /// Kafka's id of its cluster, where it was reached.
    #[serde(default)]
    pub cluster: Option<String>,
    /// In milliseconds since 1970: before anything was sent.
    pub started: i64,
}

/// One message. Times are in milliseconds since 1970, by the clock of whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Of MQTT.
    pub topic: String,
    /// 0, 1 or 2.
    pub qos: u8,
    pub device: String,
    pub event_id: String,
    /// Of the device's messages to this topic, in the order in which they were sent.
    pub sequence: u64,
    /// When it was to be sent.
    pub intended: i64,
    /// None: it never was.
    pub sent: Option<i64>,
    /// When the MQTT server had acknowledged it as its QoS asks; None: it has not, or the QoS is 0.
    pub acknowledged: Option<i64>,
}
