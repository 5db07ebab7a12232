//! What workloads are put together from.

use std::path::{Path, PathBuf};

use super::{ConfigFile, PublishedPort, Volume, Workload};
use crate::stack::names::cluster_names;
use crate::stack::ports::{KAFKA_EXTERNAL, PortName};
use crate::stack::{Role, Service, Stack, image, sizes};
use crate::target::Target;

/// What every service of a role has, without its command, files and volumes.
pub(super) fn workload(stack: &Stack, service: Service, target: &Target) -> Workload {
    let image = match service.role {
        Role::Zookeeper => &stack.zookeeper.image,
        Role::Kafka => &stack.kafka.image,
        Role::Mosquitto => &stack.mosquitto.image,
    };
    Workload {
        service,
        image: image.clone(),
        command: Vec::new(),
        user: image::user(service.role),
        files: Vec::new(),
        volumes: Vec::new(),
        scratch: image::scratch(service.role).iter().map(PathBuf::from).collect(),
        ports: ports(stack, service, target),
        aliases: cluster_names(stack, service),
        memory: sizes::memory(stack, service.role, target.place()),
        stop_grace: sizes::stop_grace(service.role, target.place()),
    }
}

/// The host ports of a service. A cluster publishes none.
pub fn ports(stack: &Stack, service: Service, target: &Target) -> Vec<PublishedPort> {
    let ports = &stack.ports;
    let published = |name: PortName, host: u16, in_container: u16| {
        let container = if matches!(target, Target::Process(_)) { host } else { in_container };
        PublishedPort { name, host, container }
    };
    let usual = |name: PortName, host: u16| published(name, host, name.number());
    if *target == Target::Kubernetes {
        return Vec::new();
    }
    match service.role {
        Role::Zookeeper => {
            let mut all = vec![usual(PortName::Zookeeper, ports.zookeeper(service.ordinal))];
            if matches!(target, Target::Process(_)) && stack.zookeeper.nodes > 1 {
                all.push(usual(PortName::ZookeeperPeer, ports.zookeeper_peer(service.ordinal)));
                all.push(usual(PortName::ZookeeperElection, ports.zookeeper_election(service.ordinal)));
            }
            all
        }
        Role::Kafka => vec![published(PortName::Kafka, ports.kafka(service.ordinal), KAFKA_EXTERNAL)],
        Role::Mosquitto => vec![
            usual(PortName::Mqtt, ports.mqtt()),
            usual(PortName::Mqtts, ports.mqtts()),
            usual(PortName::MqttWs, ports.mqtt_ws()),
        ],
    }
}

/// Where a service finds its configuration.
pub(super) fn config_dir(target: &Target, service: Service) -> PathBuf {
    match target {
        Target::Docker | Target::Kubernetes => PathBuf::from(image::OWN_CONFIG),
        Target::Process(layout) => layout.service_dir(service),
    }
}

pub(super) fn volume(target: &Target, service: Service, kind: &str, in_container: &str) -> Volume {
    let name = format!("{service}-{kind}");
    let path = match target {
        Target::Docker | Target::Kubernetes => PathBuf::from(in_container),
        Target::Process(layout) => layout.volume_dir(&name),
    };
    Volume { name, path }
}

pub(super) fn public(path: PathBuf, contents: String) -> ConfigFile {
    ConfigFile { path, contents, secret: false, live: false }
}

pub(super) fn reloaded(path: PathBuf, contents: String) -> ConfigFile {
    ConfigFile { path, contents, secret: true, live: true }
}

/// A command that needs a shell, as in pods, which know their ordinal by their name only.
pub(super) fn shell(script: String) -> Vec<String> {
    vec!["/bin/bash".to_owned(), "-ec".to_owned(), script]
}

/// As log4j wants it: percent-encoded, since a home directory may hold blanks.
pub(super) fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}
