//! What the bridge counts, as Prometheus reads it.

use std::sync::atomic::AtomicU64;

use anyhow::Result;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::bridge::record::Lane;

/// The label of counts by QoS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Qos {
    pub qos: u8,
}

/// The label of counts by lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InLane {
    pub lane: &'static str,
}

/// The label of probes by how they ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    pub result: &'static str,
}

impl Ended {
    pub const DELIVERED: Self = Self { result: "delivered" };
    pub const FAILED: Self = Self { result: "failed" };
}

impl From<Lane> for InLane {
    fn from(lane: Lane) -> Self {
        Self { lane: lane.as_str() }
    }
}

type Seconds = Gauge<f64, AtomicU64>;

/// Everything is counted from the start of the process.
pub struct Metrics {
    registry: Registry,
    pub received: Family<Qos, Counter>,
    pub delivered: Family<InLane, Counter>,
    pub dropped: Family<Qos, Counter>,
    pub ignored: Counter,
    pub dead_letters: Counter,
    pub damaged: Counter,
    pub reconnects: Counter,
    pub sessions_lost: Counter,
    pub status_delivered: Counter,
    pub status_skipped: Counter,
    pub in_flight: Family<InLane, Gauge>,
    pub journal_messages: Family<InLane, Gauge>,
    pub journal_age: Family<InLane, Seconds>,
    pub journal_bytes: Gauge,
    pub journal_limit: Gauge,
    /// 1 while this bridge is the active one, 0 while it waits.
    pub active: Gauge,
    pub connected: Gauge,
    /// 1 while presses of the probe are brought to Kafka.
    pub provable: Gauge,
    pub latency: Histogram,
    pub probes: Family<Ended, Counter>,
    /// When Kafka last acknowledged one, in seconds since 1970; 0 where it never did.
    pub last_probe: Seconds,
    pub probe_latency: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        // From receipt to Kafka's acknowledgement, in seconds.
        let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];
        let mut metrics = Self {
            registry: Registry::with_prefix("sosstack_bridge"),
            received: Family::default(),
            delivered: Family::default(),
            dropped: Family::default(),
            ignored: Counter::default(),
            dead_letters: Counter::default(),
            damaged: Counter::default(),
            reconnects: Counter::default(),
            sessions_lost: Counter::default(),
            status_delivered: Counter::default(),
            status_skipped: Counter::default(),
            in_flight: Family::default(),
            journal_messages: Family::default(),
            journal_age: Family::default(),
            journal_bytes: Gauge::default(),
            journal_limit: Gauge::default(),
            active: Gauge::default(),
            connected: Gauge::default(),
            provable: Gauge::default(),
            latency: Histogram::new(bounds),
            probes: Family::default(),
            last_probe: Seconds::default(),
            probe_latency: Histogram::new(bounds),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("received", "Messages from Mosquitto", self.received.clone());
        all.register("delivered", "Records that Kafka has acknowledged", self.delivered.clone());
        all.register("dropped", "Messages dropped because the journal is nearly full", self.dropped.clone());
        all.register("ignored", "Messages that no route takes, and retained copies", self.ignored.clone());
        all.register("dead_letters", "Messages that became dead letters", self.dead_letters.clone());
        all.register("journal_damaged", "Parts of the journal that could not be read", self.damaged.clone());
        all.register("reconnects", "Reconnections to Mosquitto", self.reconnects.clone());
        let lost = "Sessions lost by Mosquitto, with the messages in them";
        all.register("sessions_lost", lost, self.sessions_lost.clone());
        let status = "Emergency status updates acknowledged by Mosquitto";
        all.register("status_delivered", status, self.status_delivered.clone());
        all.register("status_skipped", "Emergency status updates without a recipient", self.status_skipped.clone());
        all.register("in_flight", "Records that Kafka has not acknowledged yet", self.in_flight.clone());
        all.register("journal_messages", "Records waiting in the journal", self.journal_messages.clone());
        let age = "How long the oldest record has been waiting";
        all.register_with_unit("journal_age", age, Unit::Seconds, self.journal_age.clone());
        all.register_with_unit("journal", "The journal's size", Unit::Bytes, self.journal_bytes.clone());
        all.register_with_unit(
            "journal_limit",
            "The most the journal may hold",
            Unit::Bytes,
            self.journal_limit.clone(),
        );
        all.register(
            "active",
            "1: this bridge is the active one; 0: it waits for the active one to end",
            self.active.clone(),
        );
        all.register("connected", "1: connected to Mosquitto", self.connected.clone());
        all.register("provable", "1: a press of the probe is brought to Kafka's hidden topic", self.provable.clone());
        let latency = "From receipt to Kafka's acknowledgement";
        all.register_with_unit("delivery", latency, Unit::Seconds, self.latency.clone());
        all.register("probes", "Presses of the bridge's own, with --probe", self.probes.clone());
        let last = "When Kafka last acknowledged a probe; 0: never yet";
        all.register_with_unit("probe_last_delivered_timestamp", last, Unit::Seconds, self.last_probe.clone());
        let latency = "From the press of a probe to Kafka's acknowledgement";
        all.register_with_unit("probe", latency, Unit::Seconds, self.probe_latency.clone());
    }

    /// In the text format of Prometheus, `OpenMetrics`.
    ///
    /// # Errors
    /// When there is no memory for the text.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The few that matter at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub received: u64,
    pub delivered: u64,
    pub in_flight: u64,
    pub journaled: u64,
    pub dead_letters: u64,
    pub dropped: u64,
}

impl Metrics {
    /// Over all lanes and QoS.
    pub fn counts(&self) -> Counts {
        let by_qos = |family: &Family<Qos, Counter>| (0..3).map(|qos| family.get_or_create(&Qos { qos }).get()).sum();
        let lanes = || Lane::ALL.into_iter().map(InLane::from);
        let gauge = |family: &Family<InLane, Gauge>| {
            lanes().map(|lane| u64::try_from(family.get_or_create(&lane).get()).unwrap_or(0)).sum()
        };
        Counts {
            received: by_qos(&self.received),
            delivered: lanes().map(|lane| self.delivered.get_or_create(&lane).get()).sum(),
            in_flight: gauge(&self.in_flight),
            journaled: gauge(&self.journal_messages),
            dead_letters: self.dead_letters.get(),
            dropped: by_qos(&self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_expects_them() {
        let metrics = Metrics::default();
        metrics.received.get_or_create(&Qos { qos: 2 }).inc();
        metrics.journal_age.get_or_create(&Lane::Alerts.into()).set(1.5);
        metrics.latency.observe(0.002);
        metrics.probe_latency.observe(0.02);
        metrics.probes.get_or_create(&Ended::FAILED).inc();
        metrics.last_probe.set(1.5);
        let text = metrics.text().unwrap();
        for line in [
            "sosstack_bridge_received_total{qos=\"2\"} 1",
            "sosstack_bridge_journal_age_seconds{lane=\"alerts\"} 1.5",
            "sosstack_bridge_delivery_seconds_count 1",
            "sosstack_bridge_journal_bytes 0",
            "sosstack_bridge_probe_seconds_count 1",
            "sosstack_bridge_probes_total{result=\"failed\"} 1",
            "sosstack_bridge_probe_last_delivered_timestamp_seconds 1.5",
        ] {
            assert!(text.contains(line), "{line} in:\n{text}");
        }
    }
}
