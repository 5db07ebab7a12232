//! A record on its way: in the producer's hands, or about to be.

use std::time::Instant;

use bytes::Bytes;

use super::acks::Number;
use super::effect::Place;
use crate::bridge::record::Record;
use crate::kafka::sender::Outbound;

/// A record in a lane's window.
pub struct Flying {
    /// None when nothing has to be done with it any more.
    pub record: Option<Box<Record>>,
    /// That is not safe without it.
    pub message: Option<Number>,
    /// In the journal; 0 where it is not there.
    pub position: u64,
    pub since: Instant,
    /// Reported as refused already.
    pub is_refused: bool,
}

/// Whom to tell when an entry of the journal is synced.
#[derive(Debug)]
pub enum Waiting {
    /// The record in the window with this number.
    Window(u64),
    Message(Number),
    Refused(Place),
}

/// Bytes that it takes in memory, as far as they differ.
pub fn size(record: &Record) -> usize {
    let headers: usize =
        record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum();
    record.value.as_ref().map_or(0, Bytes::len) + record.key.len() + headers
}

/// As the producer takes it.
pub fn outbound(record: &Record) -> Outbound<'_> {
    Outbound {
        topic: &record.topic,
        key: &record.key,
        headers: record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect(),
        value: record.value.as_deref(),
        time: record.time,
    }
}
