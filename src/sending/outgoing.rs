//! A message on its way, and how batches of them reach a publisher.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::message::Properties;

/// Names with their values in order; None is Kafka's null. A name of Kafka may be any bytes.
pub type OwnedHeaders = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A message on its way. What most messages of a run share is shared.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The line it came from, counted from 1.
    pub number: u64,
    pub topic: Arc<str>,
    pub key: Option<Bytes>,
    pub headers: Arc<OwnedHeaders>,
    /// MQTT's only.
    pub properties: Option<Arc<Properties>>,
    /// MQTT's only: 0, 1 or 2.
    pub qos: u8,
    /// MQTT's only.
    pub retain: bool,
    /// Kafka's only, in milliseconds; None is now.
    pub time: Option<i64>,
    pub value: Option<Bytes>,
}

/// Messages that were ready at the same time.
pub type Batch = Vec<Outgoing>;
/// How batches reach a publisher; it ends with its input.
pub type Batches = tokio::sync::mpsc::Receiver<Batch>;

/// The next batch; None at the end of the input, or when told to stop.
pub async fn next_batch(batches: &mut Batches, stop: &CancellationToken) -> Option<Batch> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        batch = batches.recv() => batch,
    }
}
