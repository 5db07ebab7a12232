//! How a stack's bridges are, as `status` tells it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::bridges::Seen;
use crate::observe::{Bridges, Journal};
use crate::runtime::State;
use crate::runtime::bridges::memory;
use crate::stack::Bridge;

/// Both bridges, and what waits between them and Kafka.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BridgeStatus {
    /// One is subscribed and takes messages.
    pub healthy: bool,
    /// What is not as it should be although messages get through.
    pub degraded: Vec<String>,
    /// None where no active bridge tells.
    pub journal: Option<JournalStatus>,
    /// Messages, since the bridges were started: those that became dead letters, and those for which there was no room.
    pub dead_letters: u64,
    pub dropped: u64,
    /// How often Mosquitto had lost the session.
    pub sessions_lost: u64,
    pub processes: Vec<BridgeProcess>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct JournalStatus {
    pub messages: u64,
    pub bytes: u64,
    /// The most that it may hold.
    pub limit_bytes: u64,
    /// How long the oldest message has waited.
    pub age_seconds: u64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BridgeProcess {
    #[schemars(with = "String")]
    pub bridge: Bridge,
    #[serde(flatten)]
    pub state: State,
    /// It is the one that works, or waits to take over.
    pub healthy: bool,
    pub detail: String,
    /// Where it serves metrics and health.
    pub metrics: Option<String>,
    pub uptime_seconds: Option<i64>,
    /// Resident.
    pub memory_bytes: Option<u64>,
    pub pid: Option<u32>,
}

impl BridgeStatus {
    pub(super) fn of(bridges: &Bridges, now: Timestamp) -> Self {
        let limits = |journal: Journal| JournalStatus {
            messages: journal.messages,
            bytes: journal.bytes,
            limit_bytes: journal.limit,
            age_seconds: journal.age,
        };
        Self {
            healthy: bridges.active().is_some(),
            degraded: bridges.degraded(),
            journal: bridges.journal().map(limits),
            dead_letters: bridges.count(|said| said.dead_letters),
            dropped: bridges.count(|said| said.dropped),
            sessions_lost: bridges.count(|said| said.sessions_lost),
            processes: bridges.0.iter().map(|seen| BridgeProcess::of(seen, now)).collect(),
        }
    }
}

impl BridgeProcess {
    fn of(seen: &Seen, now: Timestamp) -> Self {
        let instance = seen.instance.as_ref();
        let runs = instance.filter(|instance| instance.state.is_alive());
        let words = seen.words();
        Self {
            bridge: seen.bridge,
            state: seen.state(),
            healthy: words.is_ok(),
            detail: words.unwrap_or_else(|words| words),
            metrics: instance.map(|instance| format!("127.0.0.1:{}", instance.port)),
            uptime_seconds: runs.and_then(|instance| instance.started).map(|started| seconds(started, now)),
            memory_bytes: instance.and_then(|instance| memory(instance.pid?)),
            pid: instance.and_then(|instance| instance.pid),
        }
    }
}

/// At least 0: the clock may have been set back.
pub(super) fn seconds(since: Timestamp, now: Timestamp) -> i64 {
    (now.as_second() - since.as_second()).max(0)
}
