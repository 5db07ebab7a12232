//! All layers of a stack at one moment, by service.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Quorum, quorum, replicas};
use crate::endpoints::Endpoints;
use crate::kafka::admin::{Admin, Cluster};
use crate::mqtt::probe;
use crate::runtime::{Instance, Inventory, State};
use crate::stack::ports::PortName;
use crate::stack::{Role, Service};

/// What each layer answered.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// All services that there are or should be; None: there is no instance, as it was removed by hand.
    pub services: BTreeMap<Service, Option<Instance>>,
    /// Roles of the nodes that run.
    pub nodes: BTreeMap<Service, quorum::Answer>,
    /// As the broker has it that sees it in the worst state.
    pub cluster: Result<Cluster, String>,
    /// Connected MQTT clients besides this one.
    pub clients: Result<u64, String>,
}

impl Snapshot {
    /// Asks every layer at once; each may take as long as `patience`. `expected`: services that the stack should have.
    pub async fn take(expected: &[Service], inventory: &Inventory, endpoints: &Endpoints, patience: Duration) -> Self {
        let (nodes, cluster, clients) = tokio::join!(
            nodes(inventory, patience),
            cluster(inventory, endpoints, patience),
            probe::clients(endpoints, patience)
        );
        let clients = clients.map_err(|error| format!("{error:#}"));
        Self { services: services(expected, inventory), nodes, cluster, clients }
    }

    pub fn state(&self, service: Service) -> State {
        self.services.get(&service).and_then(Option::as_ref).map_or(State::Missing, |instance| instance.state)
    }

    /// The services in one of these states.
    pub fn in_state(&self, is: impl Fn(State) -> bool) -> Vec<Service> {
        self.services.keys().copied().filter(|service| is(self.state(*service))).collect()
    }

    /// The ensemble, with the nodes that do not run.
    pub fn quorum(&self) -> Quorum {
        let total = self.services.keys().filter(|service| service.role == Role::Zookeeper).count();
        Quorum::of(self.nodes.values(), total)
    }

    /// What a service says of itself.
    ///
    /// # Errors
    /// Why it is not healthy; empty where its state says all.
    pub fn says(&self, service: Service) -> Result<String, String> {
        match self.state(service) {
            State::Running => {}
            State::Paused => return Err("it answers nobody until it is resumed".to_owned()),
            State::Missing => return Err("it was removed by hand".to_owned()),
            _ => return Err(String::new()),
        }
        match service.role {
            Role::Zookeeper => match self.nodes.get(&service) {
                Some(answer) => answer.clone().map(|mode| mode.as_str().to_owned()),
                None => Err("not reachable".to_owned()),
            },
            Role::Kafka => replicas::broker(self.cluster.as_ref().map_err(Clone::clone)?, service),
            Role::Mosquitto => self.clients.clone().map(|count| match count {
                1 => "1 client".to_owned(),
                count => format!("{count} clients"),
            }),
        }
    }
}

fn services(expected: &[Service], inventory: &Inventory) -> BTreeMap<Service, Option<Instance>> {
    let mut services: BTreeMap<Service, Option<Instance>> = expected.iter().map(|service| (*service, None)).collect();
    services.extend(inventory.instances.iter().map(|instance| (instance.service, Some(instance.clone()))));
    services
}

async fn nodes(inventory: &Inventory, patience: Duration) -> BTreeMap<Service, quorum::Answer> {
    let (services, addresses): (Vec<Service>, Vec<String>) =
        ports(inventory, PortName::Zookeeper).map(|(service, port)| (service, format!("127.0.0.1:{port}"))).unzip();
    services.into_iter().zip(quorum::ask(&addresses, patience).await).collect()
}

/// Brokers hear of changes one after the other, and one that has stood still says what was: the worst of what those that
/// run say is believed.
async fn cluster(inventory: &Inventory, endpoints: &Endpoints, patience: Duration) -> Result<Cluster, String> {
    let running: Vec<String> = ports(inventory, PortName::Kafka).map(|(_, port)| format!(":{port}")).collect();
    let ask = async {
        let admin = Admin::of_stack(endpoints)?;
        let mut cluster = admin.cluster(patience).await?;
        cluster.addresses.retain(|address| running.iter().any(|port| address.ends_with(port)));
        let views = admin.views(&cluster).await?;
        Ok(replicas::worst(cluster, views))
    };
    ask.await.map_err(|error: anyhow::Error| format!("{error:#}"))
}

/// The host's port of this name of each service that runs and has one.
fn ports(inventory: &Inventory, name: PortName) -> impl Iterator<Item = (Service, u16)> {
    let running = inventory.instances.iter().filter(|instance| instance.state == State::Running);
    running.filter_map(move |instance| {
        let port = instance.ports.iter().find(|port| port.name == name)?;
        Some((instance.service, port.host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zookeeper::Mode;

    fn instance(service: Service, state: State) -> Instance {
        Instance {
            service,
            config_hash: String::new(),
            live_hash: String::new(),
            port_offset: 0,
            ports: Vec::new(),
            state,
            started: None,
            handle: String::new(),
            restarts: 0,
        }
    }

    /// zookeeper-0 is missing, kafka-1 is paused.
    fn snapshot() -> Snapshot {
        let expected = [Service::zookeeper(0), Service::zookeeper(1), Service::kafka(1)];
        let there = [instance(Service::zookeeper(1), State::Running), instance(Service::kafka(1), State::Paused)];
        let inventory = Inventory { instances: there.to_vec(), ..Inventory::default() };
        Snapshot {
            services: services(&expected, &inventory),
            nodes: BTreeMap::from([(Service::zookeeper(1), Ok(Mode::Leader))]),
            cluster: Ok(Cluster { brokers: vec![1], addresses: Vec::new(), topics: Vec::new() }),
            clients: Ok(1),
        }
    }

    #[test]
    fn answers_belong_to_services_not_to_places() {
        let snapshot = snapshot();
        assert_eq!(snapshot.says(Service::zookeeper(1)), Ok("leader".to_owned()));
        assert!(snapshot.says(Service::zookeeper(0)).is_err());
        assert_eq!((snapshot.quorum().serving, snapshot.quorum().total), (1, 2));
    }

    #[test]
    fn what_is_missing_or_paused_is_named_and_not_healthy() {
        let snapshot = snapshot();
        assert_eq!(snapshot.in_state(|state| state == State::Missing), [Service::zookeeper(0)]);
        assert_eq!(snapshot.in_state(|state| state == State::Paused), [Service::kafka(1)]);
        assert!(snapshot.says(Service::kafka(1)).is_err(), "the cluster has not noticed yet");
    }
}
