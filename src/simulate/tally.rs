//! What became of the messages of all devices so far.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::latency::Latency;

/// Counted while it runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Due, and not sent yet.
    pub(super) waiting: u64,
    /// The most that ever waited, looked at a few times a second.
    pub(super) most_waiting: u64,
    /// Never sent, as too many waited, or as the end came first.
    pub(super) unsent: u64,
    /// Connections that were lost, or dropped on purpose.
    pub(super) reconnects: u64,
    /// By QoS.
    pub(super) qos: [OfQos; 3],
    /// From when a message was due until it was sent.
    pub(super) late: Latency,
    /// Why a message was refused, the first time.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct OfQos {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    /// From when a message was due until it was acknowledged: what waited to be sent counts in full.
    pub(super) took: Latency,
}

impl Tally {
    pub(super) fn sent(&self) -> u64 {
        self.qos.iter().map(|qos| qos.sent).sum()
    }

    pub(super) fn of(&mut self, qos: u8) -> &mut OfQos {
        &mut self.qos[usize::from(qos.min(2))]
    }
}

/// The result of a simulation. Times of acknowledgement count from when a message was due.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Outcome {
    pub scenario: String,
    pub seed: u64,
    pub devices: u32,
    /// How long messages were due, connecting and leaving left out.
    pub seconds: f64,
    /// Messages a second: what was asked for, waves left out, and what was sent.
    pub rate: f64,
    pub achieved_rate: f64,
    pub sent: u64,
    pub unsent: u64,
    /// QoS 0, 1 and 2.
    pub qos: Vec<QosOutcome>,
    /// The most that were due and not sent at one time.
    pub backlog: u64,
    /// From due to sent, in milliseconds.
    pub send_delay_p99_ms: Option<f64>,
    pub reconnects: u64,
    pub interrupted: bool,
    /// Why a message was refused, where one was.
    pub refusal: Option<String>,
}

/// What became of the messages of one QoS.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct QosOutcome {
    pub qos: u8,
    pub sent: u64,
    /// Always 0 at QoS 0, which has no acknowledgement.
    pub acknowledged: u64,
    pub refused: u64,
    pub unacknowledged: u64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
}

impl QosOutcome {
    pub(super) fn of(qos: u8, counted: &OfQos) -> Self {
        let OfQos { sent, acknowledged, refused, took } = counted;
        let unacknowledged = if qos == 0 { 0 } else { sent.saturating_sub(acknowledged + refused) };
        let millis = |share| took.within(share).map(milliseconds);
        let max_ms = (took.count() > 0).then(|| milliseconds(took.largest()));
        Self {
            qos,
            sent: *sent,
            acknowledged: *acknowledged,
            refused: *refused,
            unacknowledged,
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            max_ms,
        }
    }
}

impl Outcome {
    /// Messages at QoS 1 and 2 that were sent, and neither acknowledged nor refused.
    pub fn unacknowledged(&self) -> u64 {
        self.qos.iter().map(|qos| qos.unacknowledged).sum()
    }

    pub fn refused(&self) -> u64 {
        self.qos.iter().map(|qos| qos.refused).sum()
    }
}

/// To the hundredth: more would be an illusion.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
