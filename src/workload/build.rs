//! From the stack to its workloads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ConfigFile, PublishedPort, Volume, Workload};
use crate::config::{jvm, kafka, mosquitto, zookeeper};
use crate::secrets::{Accounts, ServerCertificate};
use crate::stack::ports::PortName;
use crate::stack::{Heap, Role, Service, Stack};
use crate::target::{Target, cluster_names};

/// What only this machine knows and Mosquitto needs.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub accounts: Accounts,
    pub certificate: ServerCertificate,
}

/// The names that the certificate on 8883 is for.
pub fn certificate_names(stack: &Stack) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1", "host.docker.internal"].map(str::to_owned);
    local.into_iter().chain(cluster_names(stack, Service::mosquitto())).collect()
}

/// One workload for each service of the stack, in the order of [`Stack::services`].
pub fn workloads(stack: &Stack, target: &Target, secrets: &Secrets) -> Vec<Workload> {
    let build = |service: Service| match service.role {
        Role::Zookeeper => zookeeper_workload(stack, service, target),
        Role::Kafka => kafka_workload(stack, service, target),
        Role::Mosquitto => {
            let mut workload = mosquitto_workload(stack, target);
            workload.files = mosquitto_files(stack, target, secrets);
            workload
        }
    };
    stack.services().into_iter().map(build).collect()
}

/// A node of the ensemble.
pub fn zookeeper_workload(stack: &Stack, service: Service, target: &Target) -> Workload {
    let config = config_dir(target, service);
    let data = volume(target, service, "data", "/data");
    let log = volume(target, service, "datalog", "/datalog");
    let mut files = vec![
        public(config.join("zoo.cfg"), zookeeper::zoo_cfg(stack, service, target, &data.path, &log.path)),
        public(data.path.join("myid"), format!("{}\n", zookeeper::myid(service))),
    ];
    let mut properties = vec![("zookeeper.preAllocSize", "64".to_owned())];
    let (java, class_path) = match target {
        // Relative to the image's working directory, which carries the version in its name.
        Target::Docker | Target::Kubernetes => {
            // Named instead of found on the class path: an archive of classes cannot be mapped for one with folders.
            properties.push(("logback.configurationFile", "/conf/logback.xml".to_owned()));
            ("java".to_owned(), "lib/*".to_owned())
        }
        Target::Process(layout) => {
            let log4j = config.join("log4j.properties");
            files.push(public(log4j.clone(), jvm::log4j(Some(&config.join("service.log")))));
            properties.push(("log4j.configuration", file_url(&log4j)));
            (layout.java.display().to_string(), layout.class_path.clone())
        }
    };
    let mut command = jvm::java(&java, stack.profile, stack.zookeeper.heap, &class_path, &properties);
    command.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned());
    command.push(config.join("zoo.cfg").display().to_string());
    Workload {
        service,
        image: stack.zookeeper.image.clone(),
        command,
        user: 1000,
        files,
        volumes: vec![data, log],
        scratch: vec![PathBuf::from("/logs")],
        ports: ports(stack, service, target),
        aliases: cluster_names(stack, service),
        memory: jvm_memory(stack.zookeeper.heap),
        stop_grace: Duration::from_secs(10),
    }
}

/// A heap, as much again for buffers outside it, and what the JVM takes for itself: idle brokers with 256 MiB of heap
/// take 290 MiB, loaded ones up to 600.
fn jvm_memory(heap: Heap) -> u64 {
    (2 * u64::from(heap.mebibytes) + 384) << 20
}

/// Room for 100,000 queued messages of a few kilobytes: a server that is killed for its size loses them.
const MOSQUITTO_MEMORY: u64 = 1 << 30;

/// The host ports of a service.
pub fn ports(stack: &Stack, service: Service, target: &Target) -> Vec<PublishedPort> {
    let ports = &stack.ports;
    match service.role {
        Role::Zookeeper => zookeeper_ports(stack, service, target),
        Role::Kafka => {
            vec![published(target, PortName::Kafka, ports.kafka(service.ordinal), kafka::EXTERNAL_PORT)]
        }
        Role::Mosquitto => vec![
            published(target, PortName::Mqtt, ports.mqtt(), 1883),
            published(target, PortName::Mqtts, ports.mqtts(), 8883),
            published(target, PortName::MqttWs, ports.mqtt_ws(), 9001),
        ],
    }
}

fn zookeeper_ports(stack: &Stack, service: Service, target: &Target) -> Vec<PublishedPort> {
    let ports = &stack.ports;
    let client = published(target, PortName::Zookeeper, ports.zookeeper(service.ordinal), 2181);
    match target {
        Target::Docker | Target::Kubernetes => vec![client],
        Target::Process(_) if stack.zookeeper.nodes == 1 => vec![client],
        Target::Process(_) => vec![
            client,
            published(target, PortName::ZookeeperPeer, ports.zookeeper_peer(service.ordinal), 2888),
            published(target, PortName::ZookeeperElection, ports.zookeeper_election(service.ordinal), 3888),
        ],
    }
}

/// A broker.
pub fn kafka_workload(stack: &Stack, service: Service, target: &Target) -> Workload {
    let config = config_dir(target, service);
    let data = volume(target, service, "data", "/var/lib/kafka/data");
    // A subdirectory, as the root of a file system may hold lost+found, which Kafka refuses.
    let log_dirs = data.path.join("kafka-logs");
    let (log_file, java, class_path) = match target {
        Target::Docker | Target::Kubernetes => (None, "java".to_owned(), "/opt/kafka/libs/*".to_owned()),
        Target::Process(layout) => {
            (Some(config.join("service.log")), layout.java.display().to_string(), layout.class_path.clone())
        }
    };
    let log4j = config.join("log4j.properties");
    let files = vec![
        public(config.join("server.properties"), kafka::server_properties(stack, service, target, &log_dirs)),
        public(log4j.clone(), jvm::log4j(log_file.as_deref())),
    ];
    let properties = [("log4j.configuration", file_url(&log4j))];
    let mut command = jvm::java(&java, stack.profile, stack.kafka.heap, &class_path, &properties);
    command.push("kafka.Kafka".to_owned());
    command.push(config.join("server.properties").display().to_string());
    Workload {
        service,
        image: stack.kafka.image.clone(),
        command,
        user: 1000,
        files,
        volumes: vec![data],
        scratch: vec![PathBuf::from("/etc/kafka/secrets"), PathBuf::from("/mnt/shared/config")],
        ports: ports(stack, service, target),
        aliases: cluster_names(stack, service),
        memory: jvm_memory(stack.kafka.heap),
        stop_grace: Duration::from_secs(30),
    }
}

/// The MQTT server without its files, which hold secrets.
pub fn mosquitto_workload(stack: &Stack, target: &Target) -> Workload {
    let service = Service::mosquitto();
    let program = match target {
        Target::Docker | Target::Kubernetes => "mosquitto".to_owned(),
        Target::Process(layout) => layout.mosquitto.display().to_string(),
    };
    let config = mosquitto_config_dir(target).join("mosquitto.conf");
    Workload {
        service,
        image: stack.mosquitto.image.clone(),
        command: vec![program, "-c".to_owned(), config.display().to_string()],
        user: 1883,
        files: Vec::new(),
        volumes: vec![volume(target, service, "data", "/mosquitto/data")],
        scratch: vec![PathBuf::from("/mosquitto/log")],
        ports: ports(stack, service, target),
        aliases: cluster_names(stack, service),
        memory: MOSQUITTO_MEMORY,
        stop_grace: Duration::from_secs(10),
    }
}

fn mosquitto_files(stack: &Stack, target: &Target, secrets: &Secrets) -> Vec<ConfigFile> {
    let config = mosquitto_config_dir(target);
    let data = volume(target, Service::mosquitto(), "data", "/mosquitto/data").path;
    let fixed = public(config.join("mosquitto.conf"), mosquitto::mosquitto_conf(stack, target, &config, &data));
    std::iter::once(fixed).chain(mosquitto_live_files(target, secrets)).collect()
}

/// What Mosquitto loads while it runs: who may log in, and the certificate. Depends on nothing of the stack file.
pub fn mosquitto_live_files(target: &Target, secrets: &Secrets) -> Vec<ConfigFile> {
    let config = mosquitto_config_dir(target);
    let devices = &secrets.accounts.devices;
    let owners = devices.iter().map(|(id, enrolled)| (id.as_str(), enrolled.owner.as_deref()));
    vec![
        reloaded(config.join("passwd"), mosquitto::password_file(&secrets.accounts)),
        reloaded(config.join("acl"), mosquitto::acl_file(owners)),
        reloaded(config.join("server.crt"), secrets.certificate.certificate.clone()),
        reloaded(config.join("server.key"), secrets.certificate.key.reveal().to_owned()),
    ]
}

fn mosquitto_config_dir(target: &Target) -> PathBuf {
    match target {
        Target::Docker | Target::Kubernetes => PathBuf::from("/mosquitto/config"),
        Target::Process(_) => config_dir(target, Service::mosquitto()),
    }
}

fn config_dir(target: &Target, service: Service) -> PathBuf {
    match target {
        Target::Docker | Target::Kubernetes => PathBuf::from("/etc/sosstack"),
        Target::Process(layout) => layout.service_dir(service),
    }
}

fn volume(target: &Target, service: Service, kind: &str, in_container: &str) -> Volume {
    let name = format!("{service}-{kind}");
    let path = match target {
        Target::Docker | Target::Kubernetes => PathBuf::from(in_container),
        Target::Process(layout) => layout.volume_dir(&name),
    };
    Volume { name, path }
}

fn published(target: &Target, name: PortName, host: u16, in_container: u16) -> PublishedPort {
    let container = match target {
        Target::Docker | Target::Kubernetes => in_container,
        Target::Process(_) => host,
    };
    PublishedPort { name, host, container }
}

fn public(path: PathBuf, contents: String) -> ConfigFile {
    ConfigFile { path, contents, secret: false, live: false }
}

fn reloaded(path: PathBuf, contents: String) -> ConfigFile {
    ConfigFile { path, contents, secret: true, live: true }
}

/// As log4j wants it: percent-encoded, since a home directory may hold blanks.
fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}
