//! How brokers store what producers send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kafka's `compression.type`, by its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// The platform's own; whoever reads must have this codec.
    Snappy,
    /// As it was sent: each producer chooses.
    Producer,
    Gzip,
    Lz4,
    Zstd,
    Uncompressed,
}

impl Compression {
    /// As Kafka's configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snappy => "snappy",
            Self::Producer => "producer",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Uncompressed => "uncompressed",
        }
    }
}
