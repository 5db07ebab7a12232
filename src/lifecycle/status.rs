//! What runs, and what each layer says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::bridge_status::{BridgeStatus, seconds};
use crate::endpoints::Endpoints;
use crate::kafka::admin::Cluster;
use crate::observe::{Bridges, Replicas, Snapshot};
use crate::paths::Paths;
use crate::runtime::bridges::Hosted;
use crate::runtime::{Instance, Inventory, Runtime, RuntimeKind, State};
use crate::stack::ports::PortName;
use crate::stack::{Service, StackName};
use crate::workload::PublishedPort;

/// How long a layer may take to answer: on a busy machine, one that is well may take seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stack at one moment; the schema of `sosstack status --output json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    pub stack: StackName,
    pub runtime: RuntimeKind,
    /// Every service that the stack has runs and is healthy, the quorum is full, no partition lacks a replica, and a bridge
    /// brings messages to Kafka if one is to.
    pub healthy: bool,
    pub services: Vec<ServiceStatus>,
    /// None where the stack is to have no bridges.
    pub bridge: Option<BridgeStatus>,
    pub kafka: KafkaStatus,
    /// Connected MQTT clients besides this command; None when Mosquitto does not tell.
    pub mqtt_clients: Option<u64>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceStatus {
    #[schemars(with = "String")]
    pub service: Service,
    #[serde(flatten)]
    pub state: State,
    pub healthy: bool,
    /// What the service says of itself, or why it is not healthy.
    pub detail: String,
    pub ports: Vec<PortStatus>,
    pub uptime_seconds: Option<i64>,
    /// Resident.
    pub memory_bytes: Option<u64>,
    /// Container or process id.
    pub handle: String,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct PortStatus {
    pub name: PortName,
    pub port: u16,
}

impl From<&PublishedPort> for PortStatus {
    fn from(port: &PublishedPort) -> Self {
        Self { name: port.name, port: port.host }
    }
}

#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct KafkaStatus {
    pub brokers: usize,
    pub topics: usize,
    pub partitions: usize,
    /// Partitions with fewer replicas in sync than they should have.
    pub under_replicated: usize,
    /// Partitions that nobody leads.
    pub offline: usize,
}

/// Whose status it is, and what it should have.
pub struct Expected<'a> {
    pub name: &'a StackName,
    pub paths: &'a Paths,
    /// Services that the stack should have, whether there are instances or not.
    pub services: &'a [Service],
    /// Whether it should have bridges.
    pub bridges: bool,
}

/// Asks every layer at once.
///
/// # Errors
/// When the runtime does not answer; a layer that does not answer is a finding, no error.
pub async fn status(
    runtime: &dyn Runtime,
    expected: &Expected<'_>,
    inventory: &Inventory,
    endpoints: &Endpoints,
) -> anyhow::Result<Status> {
    let name = expected.name;
    let services: Vec<Service> = inventory.instances.iter().map(|instance| instance.service).collect();
    let hosted = Hosted::of(expected.paths, name);
    let (snapshot, memory, bridges) = tokio::join!(
        Snapshot::take(expected.services, inventory, endpoints, PATIENCE),
        runtime.memory(name, &services),
        Bridges::take(&hosted, PATIENCE)
    );
    let (now, bridges) = (Timestamp::now(), bridges?);
    let is_there = expected.bridges || bridges.0.iter().any(|seen| seen.instance.is_some());
    let status = of(name, runtime.kind(), &snapshot, &memory?.into_iter().collect(), now);
    let bridge = is_there.then(|| BridgeStatus::of(&bridges, now));
    let healthy = status.healthy && bridge.as_ref().is_none_or(|bridge| bridge.healthy);
    Ok(Status { healthy, bridge, ..status })
}

fn of(
    name: &StackName,
    runtime: RuntimeKind,
    snapshot: &Snapshot,
    memory: &BTreeMap<Service, u64>,
    now: Timestamp,
) -> Status {
    let row = |(service, instance): (&Service, &Option<Instance>)| {
        let says = snapshot.says(*service);
        let instance = instance.as_ref();
        ServiceStatus {
            service: *service,
            state: snapshot.state(*service),
            healthy: says.is_ok(),
            detail: says.unwrap_or_else(|words| words),
            ports: instance.iter().flat_map(|instance| &instance.ports).map(PortStatus::from).collect(),
            uptime_seconds: instance.and_then(|instance| instance.started).map(|started| seconds(started, now)),
            memory_bytes: memory.get(service).copied(),
            handle: instance.map(|instance| instance.handle.clone()).unwrap_or_default(),
        }
    };
    let services: Vec<ServiceStatus> = snapshot.services.iter().map(row).collect();
    let kafka = snapshot.cluster.as_ref().map(kafka_status).unwrap_or_default();
    Status {
        stack: name.clone(),
        runtime,
        healthy: services.iter().all(|service| service.healthy)
            && snapshot.quorum().is_full()
            && kafka.under_replicated == 0
            && kafka.offline == 0,
        services,
        bridge: None,
        kafka,
        mqtt_clients: snapshot.clients.as_ref().ok().copied(),
    }
}

fn kafka_status(cluster: &Cluster) -> KafkaStatus {
    let seen = || cluster.topics.iter().filter(|topic| !topic.name.starts_with("__"));
    let Replicas { under_replicated, offline, .. } = Replicas::of(cluster, 1);
    KafkaStatus {
        brokers: cluster.brokers.len(),
        topics: seen().count(),
        partitions: seen().map(|topic| topic.partitions.len()).sum(),
        under_replicated,
        offline,
    }
}
