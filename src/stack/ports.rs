//! Ports: those on this machine, all on 127.0.0.1, and those that services listen on elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bridge;

/// Where clients on this machine reach a broker in a container, whose published port leads there: they are told another
/// address than clients on the stack's network.
pub const KAFKA_EXTERNAL: u16 = 19092;

/// Where the first bridge of a stack serves metrics and health, before the offset; the second one takes the next port. Away
/// from 9101, which a stack with the usual offset of 100 has for MQTT over WebSocket.
pub const BRIDGE: u16 = 9111;

/// Where a bridge in a pod or container of its own serves them.
pub const BRIDGE_IN_POD: u16 = 9101;

/// Host ports: the first of each kind, before the offset. Services of one role take consecutive ones.
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

    /// Metrics and health of a bridge.
    pub fn bridge(&self, bridge: Bridge) -> u16 {
        BRIDGE + self.offset + bridge.ordinal()
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
    /// Where a container or a pod listens, and clients on its network connect. As the systems themselves have it by
    /// default; 1883 and 8883 are assigned to MQTT by IANA.
    pub const fn number(self) -> u16 {
        match self {
            Self::Zookeeper => 2181,
            Self::ZookeeperPeer => 2888,
            Self::ZookeeperElection => 3888,
            Self::Kafka => 9092,
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::MqttWs => 9001,
        }
    }

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
