//! From what runs to how it is reached.

use anyhow::Result;

use super::credentials;
use crate::endpoints::{Address, Endpoints};
use crate::failure::Failure;
use crate::paths::Paths;
use crate::runtime::{Inventory, State};
use crate::secrets::{Accounts, authority};
use crate::stack::device::SERVICE_USER;
use crate::stack::ports::PortName;
use crate::stack::{Role, Stack, StackName, names};

/// How this machine reaches a stack that was made.
///
/// # Errors
/// [`Failure::NotRunning`] when the stack has no instances; [`Failure::Failed`] when it has no accounts here.
pub fn endpoints(stack: &Stack, inventory: &Inventory, paths: &Paths) -> Result<Endpoints> {
    let name = &stack.name;
    let accounts = Accounts::read(&paths.stack(name))?;
    if inventory.instances.is_empty() {
        return Err(not_running(name));
    }
    let Some(accounts) = accounts else { return Err(credentials::missing(paths, name).into()) };
    let address = |host: u16| Address { host: "127.0.0.1".to_owned(), port: host };
    let addresses = |wanted: PortName| -> Vec<Address> {
        let ports = inventory.instances.iter().flat_map(|instance| &instance.ports);
        ports.filter(|port| port.name == wanted).map(|port| address(port.host)).collect()
    };
    let texts = |wanted| addresses(wanted).iter().map(ToString::to_string).collect();
    // One that is missing keeps its ports until it is made again.
    let only = |wanted, otherwise| addresses(wanted).into_iter().next().unwrap_or_else(|| address(otherwise));
    Ok(Endpoints {
        about: name.about(),
        kafka: texts(PortName::Kafka),
        zookeeper: texts(PortName::Zookeeper),
        mqtt: only(PortName::Mqtt, stack.ports.mqtt()),
        mqtts: only(PortName::Mqtts, stack.ports.mqtts()),
        mqtt_ws: only(PortName::MqttWs, stack.ports.mqtt_ws()),
        username: SERVICE_USER.to_owned(),
        password: accounts.service.password,
        ca_file: authority::ca_file(&paths.stack(name)),
    })
}

/// How a container on the stack's network reaches it: by the names of the cluster.
pub fn endpoints_inside(stack: &Stack, outside: &Endpoints) -> Endpoints {
    let all = |role: Role, port: PortName| -> Vec<String> {
        let services = stack.services().into_iter().filter(|service| service.role == role);
        services.map(|service| format!("{}:{}", names::cluster_name(stack, service), port.number())).collect()
    };
    let mqtt = |port: PortName| Address { host: names::clients(Role::Mosquitto), port: port.number() };
    Endpoints {
        kafka: all(Role::Kafka, PortName::Kafka),
        zookeeper: all(Role::Zookeeper, PortName::Zookeeper),
        mqtt: mqtt(PortName::Mqtt),
        mqtts: mqtt(PortName::Mqtts),
        mqtt_ws: mqtt(PortName::MqttWs),
        ..outside.clone()
    }
}

/// The failure of a command that needs a stack which is not there.
pub fn not_running(name: &StackName) -> anyhow::Error {
    let remedy = name.about().remedy("up");
    Failure::NotRunning { cause: format!("stack {name} is not running"), remedy }.into()
}

/// Whether all instances run.
pub fn all_running(inventory: &Inventory) -> bool {
    !inventory.instances.is_empty() && inventory.instances.iter().all(|instance| instance.state == State::Running)
}
