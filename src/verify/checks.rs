//! What is asked, as data: a program in a container, and what it is given on stdin.

use super::answers::Pod;
use crate::config::kafka::CHROOT;
use crate::export::kubernetes::{Component, bridge};
use crate::secrets::Secret;
use crate::stack::ports::PortName;
use crate::stack::{Role, Service, Stack, image, names};

/// Which part an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// A node's `srvr`.
    Quorum,
    /// The ids that brokers registered under.
    Brokers,
    /// Kafka's description of all topics.
    Topics,
    /// Logins and access rules of one Mosquitto, and messages from there to the other.
    Mqtt,
    /// A press as the probe, through the bridge to Kafka.
    Bridge,
}

/// A device whose login is tried; its password travels on stdin only.
#[derive(Debug, Clone)]
pub struct DeviceLogin {
    pub id: String,
    pub password: Secret,
}

/// One program that runs in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub question: Question,
    pub pod: String,
    pub container: &'static str,
    pub command: Vec<String>,
    /// A script for a shell, where a secret is involved: arguments can be seen.
    pub stdin: Secret,
}

const MQTT: &str = include_str!("mqtt.sh");

/// One question for each node and each Mosquitto, and two for whichever pods are ready.
pub fn plan(stack: &Stack, pods: &[Pod], device: Option<&DeviceLogin>) -> Vec<Check> {
    let pods_of = |component: Component| {
        (0..component.replicas(stack)).map(move |ordinal| format!("{}-{ordinal}", component.name()))
    };
    // Of those that answer, one speaks for all; where none does, the first one's refusal is as good as any.
    let any = |component: Component| {
        let is_ready = |name: &String| pods.iter().any(|pod| pod.name == *name && pod.ready);
        let ready = pods_of(component).find(is_ready);
        ready.unwrap_or_else(|| format!("{}-0", component.name()))
    };
    let check = |question, pod, container, command: &[&str], stdin: Secret| Check {
        question,
        pod,
        container,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin,
    };
    let nothing = || Secret::new("");
    let port = PortName::Zookeeper.number();
    let srvr = ["sh", "-c", &format!("printf srvr | nc -w 3 127.0.0.1 {port}")];
    let ids = ["zkCli.sh", "-server", &format!("127.0.0.1:{port}"), "ls", &format!("{CHROOT}/brokers/ids")];
    let brokers = format!("{}:{}", names::clients(Role::Kafka), PortName::Kafka.number());
    let describe =
        [&*format!("{}/bin/kafka-topics.sh", image::KAFKA_HOME), "--bootstrap-server", &brokers, "--describe"];
    let mut all: Vec<Check> =
        pods_of(Component::Zookeeper).map(|pod| check(Question::Quorum, pod, "zookeeper", &srvr, nothing())).collect();
    all.push(check(Question::Brokers, any(Component::Zookeeper), "zookeeper", &ids, nothing()));
    all.push(check(Question::Topics, any(Component::Kafka), "kafka", &describe, nothing()));
    all.extend((0..).zip(pods_of(Component::Mqtt)).map(|(ordinal, pod)| {
        let script = mqtt_script(stack, ordinal, device);
        check(Question::Mqtt, pod, "reload", &["sh", "-s"], script)
    }));
    if has_bridge(pods) {
        let addresses = bridge::addresses(stack);
        let press: Vec<&str> = ["sosstack", "bridge", "probe", "--output", "json"]
            .into_iter()
            .chain(addresses.iter().map(String::as_str))
            .collect();
        all.push(check(Question::Bridge, format!("{}-0", Component::Bridge.name()), "bridge", &press, nothing()));
    }
    all
}

/// Whether the bridge's component was applied.
pub fn has_bridge(pods: &[Pod]) -> bool {
    pods.iter().any(|pod| pod.name == format!("{}-0", Component::Bridge.name()))
}

fn mqtt_script(stack: &Stack, ordinal: u16, device: Option<&DeviceLogin>) -> Secret {
    let host = |ordinal: u16| names::cluster_name(stack, Service { role: Role::Mosquitto, ordinal });
    let (id, password) = device.map_or(("", ""), |device| (&device.id, device.password.reveal()));
    let variables =
        [("here", &*host(ordinal)), ("there", &*host(1 - ordinal)), ("device", id), ("device_password", password)];
    let lines: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''"))).collect();
    Secret::new(format!("{}{MQTT}", lines.concat()))
}
