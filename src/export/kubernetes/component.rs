//! The kinds of pods, with their names, labels and ports.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::Source;
use crate::stack::ports::{self, PortName};
use crate::stack::{Role, Stack, names};

/// One kind of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    Zookeeper,
    Kafka,
    Mqtt,
    /// The Job that makes topics: labelled apart from the brokers, since it is never Ready.
    Topics,
    /// The bridge from Mosquitto to Kafka, where it is wanted.
    Bridge,
}

/// A port that pods listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    pub number: u16,
    /// Whether only pods of the same kind reach it.
    pub peers_only: bool,
}

const fn port(name: &'static str, port: PortName) -> Port {
    Port { name, number: port.number(), peers_only: false }
}

const fn peer_port(name: &'static str, port: PortName) -> Port {
    Port { name, number: port.number(), peers_only: true }
}

impl Component {
    /// What every export has.
    pub const ALL: [Self; 4] = [Self::Zookeeper, Self::Kafka, Self::Topics, Self::Mqtt];
    pub const STATEFUL: [Self; 3] = [Self::Zookeeper, Self::Kafka, Self::Mqtt];

    /// `app.kubernetes.io/name`, and the name of what there is once.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "kafka-topics",
            Self::Bridge => "bridge",
            Self::Zookeeper => names::kind(Role::Zookeeper),
            Self::Kafka => names::kind(Role::Kafka),
            Self::Mqtt => names::kind(Role::Mosquitto),
        }
    }

    /// The service that gives each of its pods a name of its own.
    pub(super) fn headless(self) -> String {
        names::headless_of(self.name())
    }

    /// `app.kubernetes.io/component`
    fn role(self) -> &'static str {
        match self {
            Self::Zookeeper => "coordination",
            Self::Kafka => "messaging",
            Self::Mqtt => "mqtt-broker",
            Self::Topics => "messaging-topics",
            Self::Bridge => "mqtt-bridge",
        }
    }

    /// What its pods listen on.
    pub fn ports(self) -> &'static [Port] {
        const ZOOKEEPER: &[Port] = &[
            port("client", PortName::Zookeeper),
            peer_port("peer", PortName::ZookeeperPeer),
            peer_port("election", PortName::ZookeeperElection),
        ];
        const KAFKA: &[Port] = &[port("kafka", PortName::Kafka)];
        const MQTT: &[Port] =
            &[port("mqtt", PortName::Mqtt), port("mqtts", PortName::Mqtts), port("mqtt-ws", PortName::MqttWs)];
        const BRIDGE: &[Port] = &[Port { name: "metrics", number: ports::BRIDGE_IN_POD, peers_only: false }];
        match self {
            Self::Zookeeper => ZOOKEEPER,
            Self::Kafka => KAFKA,
            Self::Mqtt => MQTT,
            Self::Topics => &[],
            Self::Bridge => BRIDGE,
        }
    }

    pub fn replicas(self, stack: &Stack) -> u16 {
        match self {
            Self::Zookeeper => stack.zookeeper.nodes,
            Self::Kafka => stack.kafka.brokers,
            // More would need a mesh of links, and each message would cross every one of them.
            Self::Mqtt => 2,
            // Its session lies on one Mosquitto, and takes one reader.
            Self::Topics | Self::Bridge => 1,
        }
    }

    fn version(self, stack: &Stack) -> &str {
        match self {
            Self::Zookeeper => &stack.zookeeper.version,
            Self::Kafka | Self::Topics => &stack.kafka.version,
            Self::Mqtt => &stack.mosquitto.version,
            Self::Bridge => env!("CARGO_PKG_VERSION"),
        }
    }

    /// The image's name as the cluster pulls it.
    pub(super) fn image(self, source: Source<'_>) -> String {
        let image = match self {
            Self::Zookeeper => &source.stack.zookeeper.image,
            Self::Kafka | Self::Topics => &source.stack.kafka.image,
            Self::Mqtt => &source.stack.mosquitto.image,
            Self::Bridge => &source.settings.bridge.behaviour.image,
        };
        match &source.settings.image_prefix {
            None => image.clone(),
            Some(prefix) => format!("{}/{image}", prefix.trim_end_matches('/')),
        }
    }

    /// What never changes and tells its pods from all others.
    pub(super) fn selector_labels(self) -> BTreeMap<String, String> {
        let labels = [("app.kubernetes.io/name", self.name()), ("app.kubernetes.io/component", self.role())];
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    pub(super) fn selector(self) -> LabelSelector {
        LabelSelector { match_labels: Some(self.selector_labels()), ..LabelSelector::default() }
    }

    /// The selector's labels and those that only inform.
    pub(super) fn labels(self, stack: &Stack) -> BTreeMap<String, String> {
        let mut labels = self.selector_labels();
        let informing = [
            ("app.kubernetes.io/part-of", stack.name.as_str()),
            ("app.kubernetes.io/managed-by", "sosstack"),
            ("app.kubernetes.io/version", self.version(stack)),
        ];
        labels.extend(informing.map(|(key, value)| (key.to_owned(), value.to_owned())));
        labels
    }

    /// Of an object that belongs to it.
    pub(in crate::export) fn metadata(self, stack: &Stack, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(stack.namespace.clone()),
            labels: Some(self.labels(stack)),
            ..ObjectMeta::default()
        }
    }
}
