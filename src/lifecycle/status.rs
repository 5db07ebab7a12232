//! What runs, and what each layer says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::endpoints::Endpoints;
use crate::kafka::admin::Cluster;
use crate::observe::{Replicas, Snapshot};
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
    /// Every service that the stack has runs and is healthy, the quorum is full, and no partition lacks a replica.
    pub healthy: bool,
    pub services: Vec<ServiceStatus>,
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

/// Asks every layer at once. `expected`: services that the stack should have, whether there are instances or not.
///
/// # Errors
/// When the runtime does not answer; a layer that does not answer is a finding, no error.
pub async fn status(
    runtime: &dyn Runtime,
    name: &StackName,
    expected: &[Service],
    inventory: &Inventory,
    endpoints: &Endpoints,
) -> anyhow::Result<Status> {
    let services: Vec<Service> = inventory.instances.iter().map(|instance| instance.service).collect();
    let (snapshot, memory) =
        tokio::join!(Snapshot::take(expected, inventory, endpoints, PATIENCE), runtime.memory(name, &services));
    Ok(of(name, runtime.kind(), &snapshot, &memory?.into_iter().collect(), Timestamp::now()))
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
        // The clock may have been set back.
        let uptime = |started: Timestamp| (now.as_second() - started.as_second()).max(0);
        ServiceStatus {
            service: *service,
            state: snapshot.state(*service),
            healthy: says.is_ok(),
            detail: says.unwrap_or_else(|words| words),
            ports: instance.iter().flat_map(|instance| &instance.ports).map(PortStatus::from).collect(),
            uptime_seconds: instance.and_then(|instance| instance.started).map(uptime),
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
