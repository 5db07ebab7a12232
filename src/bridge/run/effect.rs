//! What comes of a lane's work, for whoever answers Mosquitto.

use bytes::Bytes;

use super::acks::Number;
use crate::bridge::journal::Finding;
use crate::bridge::record::{Lane as Kind, Record};

/// What a lane has to say to whoever answers Mosquitto.
#[derive(Debug)]
pub enum Effect {
    /// A part of this message is safe.
    Safe(Number),
    /// Kafka has a record that was received at this time, in milliseconds since 1970.
    Delivered { lane: Kind, received: i64 },
    /// Kafka has a probe with this value.
    Probed(Option<Bytes>),
    /// No broker will ever take this record. It stays in the window until the lane is told its place.
    Refused { record: Record, reason: String, place: Place },
    /// What a refused record became is in the journal.
    Buried(Place),
    /// A part of the journal could not be read.
    Damaged(Finding),
}

/// A record in the window of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub lane: Kind,
    pub number: u64,
}

impl Effect {
    /// That Kafka has a record.
    pub fn delivered(lane: Kind, record: &Record) -> Self {
        if record.is_probe() {
            Self::Probed(record.value.clone())
        } else {
            Self::Delivered { lane, received: record.time }
        }
    }
}
