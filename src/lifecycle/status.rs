//! What runs, and what each layer says of itself.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::endpoints::Endpoints;
use crate::kafka::admin::{Admin, Cluster};
use crate::mqtt::probe as mqtt_probe;
use crate::runtime::{Inventory, Runtime, RuntimeKind, State};
use crate::stack::ports::PortName;
use crate::stack::topic::PROBE_TOPIC;
use crate::stack::{Role, Service, StackName};
use crate::workload::PublishedPort;
use crate::zookeeper;

/// How long a layer may take to answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The stack at one moment; the schema of `sosstack status --output json`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub stack: StackName,
    pub runtime: RuntimeKind,
    /// Every service runs and is healthy, and no partition lacks a replica.
    pub healthy: bool,
    pub services: Vec<ServiceStatus>,
    pub kafka: KafkaStatus,
    /// Connected MQTT clients besides this command; None when Mosquitto does not tell.
    pub mqtt_clients: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
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

#[derive(Debug, Clone, Copy, Serialize)]
pub struct PortStatus {
    pub name: PortName,
    pub port: u16,
}

impl From<&PublishedPort> for PortStatus {
    fn from(port: &PublishedPort) -> Self {
        Self { name: port.name, port: port.host }
    }
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct KafkaStatus {
    pub brokers: usize,
    pub topics: usize,
    pub partitions: usize,
    /// Partitions with fewer replicas in sync than they should have.
    pub under_replicated: usize,
    /// Partitions that nobody leads.
    pub offline: usize,
}

/// Asks every layer at once.
///
/// # Errors
/// When the runtime does not answer; a layer that does not answer is a finding, no error.
pub async fn status(
    runtime: &dyn Runtime,
    name: &StackName,
    inventory: &Inventory,
    endpoints: &Endpoints,
) -> anyhow::Result<Status> {
    let services: Vec<Service> = inventory.instances.iter().map(|instance| instance.service).collect();
    let nodes = async {
        futures_util::future::join_all(endpoints.zookeeper.iter().map(|node| zookeeper::mode(node, PATIENCE))).await
    };
    let (modes, cluster, clients, memory) = tokio::join!(
        nodes,
        cluster(endpoints),
        mqtt_probe::clients(endpoints, PATIENCE),
        runtime.memory(name, &services)
    );
    let memory = memory?;
    let now = Timestamp::now();
    let services: Vec<ServiceStatus> = inventory
        .instances
        .iter()
        .map(|instance| {
            let says = match instance.service.role {
                Role::Zookeeper => of_node(modes.get(usize::from(instance.service.ordinal))),
                Role::Kafka => of_broker(&cluster, i32::from(instance.service.ordinal)),
                Role::Mosquitto => {
                    clients.as_ref().map(|n| counted(*n, "client")).map_err(|error| format!("{error:#}"))
                }
            };
            let runs = instance.state == State::Running;
            ServiceStatus {
                service: instance.service,
                state: instance.state,
                healthy: runs && says.is_ok(),
                detail: if runs { says.unwrap_or_else(|words| words) } else { String::new() },
                ports: instance.ports.iter().map(PortStatus::from).collect(),
                uptime_seconds: instance.started.map(|started| now.as_second() - started.as_second()),
                memory_bytes: memory.iter().find(|(service, _)| *service == instance.service).map(|(_, bytes)| *bytes),
                handle: instance.handle.clone(),
            }
        })
        .collect();
    let kafka = cluster.as_ref().map(kafka_status).unwrap_or_default();
    Ok(Status {
        stack: name.clone(),
        runtime: runtime.kind(),
        healthy: services.iter().all(|service| service.healthy) && kafka.under_replicated == 0 && kafka.offline == 0,
        services,
        kafka,
        mqtt_clients: clients.ok(),
    })
}

async fn cluster(endpoints: &Endpoints) -> Result<Cluster, String> {
    let ask = async { Admin::of_stack(endpoints)?.cluster(PATIENCE).await };
    ask.await.map_err(|error: anyhow::Error| format!("{error:#}"))
}

fn of_node(mode: Option<&anyhow::Result<zookeeper::Mode>>) -> Result<String, String> {
    match mode {
        Some(Ok(mode)) => Ok(mode.as_str().to_owned()),
        Some(Err(error)) => Err(format!("{error:#}")),
        None => Err("not reachable".to_owned()),
    }
}

fn of_broker(cluster: &Result<Cluster, String>, id: i32) -> Result<String, String> {
    let cluster = cluster.as_ref().map_err(Clone::clone)?;
    if !cluster.brokers.contains(&id) {
        return Err("not registered in the cluster".to_owned());
    }
    let partitions = || cluster.topics.iter().flat_map(|topic| &topic.partitions);
    let leads = partitions().filter(|partition| partition.leader == Some(id)).count();
    let holds = partitions().filter(|partition| partition.replicas.contains(&id)).count();
    let in_sync = partitions().filter(|partition| partition.isr.contains(&id)).count();
    Ok(format!("leads {leads}, in sync {in_sync}/{holds}"))
}

fn kafka_status(cluster: &Cluster) -> KafkaStatus {
    let seen = || cluster.topics.iter().filter(|topic| !topic.name.starts_with("__"));
    let all = || cluster.topics.iter().filter(|topic| topic.name != PROBE_TOPIC).flat_map(|topic| &topic.partitions);
    KafkaStatus {
        brokers: cluster.brokers.len(),
        topics: seen().count(),
        partitions: seen().map(|topic| topic.partitions.len()).sum(),
        under_replicated: all().filter(|partition| partition.isr.len() < partition.replicas.len()).count(),
        offline: all().filter(|partition| partition.leader.is_none()).count(),
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
