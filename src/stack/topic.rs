//! A Kafka topic as the stack wants it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A Kafka topic; its replication factor follows from the number of brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    pub partitions: u16,
    /// Topic settings by Kafka's own names, such as `retention.ms`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// What it is for; shown by `topic list`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl Topic {
    /// The probe's: one partition that keeps an hour, a few bytes for each probe.
    pub fn probe() -> Self {
        let config = [("retention.ms", "3600000"), ("segment.bytes", "1048576")];
        let config = config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { name: PROBE_TOPIC.to_owned(), partitions: 1, config, description: String::new() }
    }
}

/// Where bridges put what they cannot map, unless their routes say otherwise.
pub const DEAD_LETTERS: &str = "dlq.failed-messages";
/// The topic of the readiness probe: created with the others, hidden from lists.
pub const PROBE_TOPIC: &str = "__sosstack_probe";
