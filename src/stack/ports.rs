//! Host ports, all on 127.0.0.1. Services of one role take consecutive ports from the first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first port of each kind, before the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Added to every port, so that several stacks stand side by side.
    pub offset: u16,
    pub zookeeper: u16,
    /// Peer and election ports are host ports only where services run as plain processes.
    pub zookeeper_peer: u16,
    pub zookeeper_election: u16,
    pub kafka: u16,
    pub mqtt: u16,
    pub mqtts: u16,
    pub mqtt_ws: u16,
}

impl Ports {
    pub fn zookeeper(&self, ordinal: u16) -> u16 {
        self.zookeeper + self.offset + ordinal
    }

    pub fn zookeeper_peer(&self, ordinal: u16) -> u16 {
        self.zookeeper_peer + self.offset + ordinal
    }

    pub fn zookeeper_election(&self, ordinal: u16) -> u16 {
        self.zookeeper_election + self.offset + ordinal
    }

    pub fn kafka(&self, ordinal: u16) -> u16 {
        self.kafka + self.offset + ordinal
    }

    pub fn mqtt(&self) -> u16 {
        self.mqtt + self.offset
    }

    pub fn mqtts(&self) -> u16 {
        self.mqtts + self.offset
    }

    pub fn mqtt_ws(&self) -> u16 {
        self.mqtt_ws + self.offset
    }
}

/// What a published port is for; its name in labels, records and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PortName {
    Zookeeper,
    ZookeeperPeer,
    ZookeeperElection,
    Kafka,
    Mqtt,
    Mqtts,
    MqttWs,
}

impl PortName {
    /// The name in labels and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zookeeper => "zookeeper",
            Self::ZookeeperPeer => "zookeeper-peer",
            Self::ZookeeperElection => "zookeeper-election",
            Self::Kafka => "kafka",
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::MqttWs => "mqtt-ws",
        }
    }
}
