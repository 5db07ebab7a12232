//! The stack file as it is written: everything optional, nothing unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Compression, Heap, Persistence, Profile, StackName};

/// A sosstack stack file. Whatever it leaves out is as in the built-in stack.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("patternProperties" = {"^x-": {"description": "Yours: anchors that other entries are merged with."}}))]
pub(super) struct Spec {
    /// The stack's name, part of container and directory names: a-z, 0-9 and '-', at most 32.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<StackName>,
    /// What the file builds upon.
    pub(super) extends: Option<Extends>,
    /// What runs the services.
    pub(super) runtime: Option<RuntimeChoice>,
    /// What the services are sized for: a laptop, or load.
    pub(super) profile: Option<Profile>,
    /// Kubernetes namespace whose names applications use, also on the Docker network.
    pub(super) namespace: Option<String>,
    /// The cluster's DNS domain.
    pub(super) domain: Option<String>,
    pub(super) ports: Option<PortsSpec>,
    pub(super) zookeeper: Option<EnsembleSpec>,
    pub(super) kafka: Option<KafkaSpec>,
    pub(super) mosquitto: Option<MosquittoSpec>,
    /// Kafka topics, added to the built-in ones or changing those of the same name.
    pub(super) topics: Option<Vec<TopicSpec>>,
    /// MQTT devices, added to the built-in ones or changing those of the same id.
    pub(super) devices: Option<Vec<DeviceSpec>>,
}

/// What a stack file builds upon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Extends {
    /// The built-in topics and devices.
    #[default]
    Seed,
    /// No topics and no devices but the file's own.
    Nothing,
}

/// What runs the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// Docker where it works, else processes.
    Auto,
    Docker,
    Process,
}

/// Host ports on 127.0.0.1. Services of one kind take consecutive ports from the one given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PortsSpec {
    /// Added to every port.
    pub(super) offset: Option<u16>,
    pub(super) zookeeper: Option<u16>,
    /// Host ports only where services are plain processes.
    pub(super) zookeeper_peer: Option<u16>,
    /// Host ports only where services are plain processes.
    pub(super) zookeeper_election: Option<u16>,
    pub(super) kafka: Option<u16>,
    pub(super) mqtt: Option<u16>,
    /// MQTT over TLS.
    pub(super) mqtts: Option<u16>,
    /// MQTT over WebSocket.
    pub(super) mqtt_ws: Option<u16>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnsembleSpec {
    /// 3.x.y
    pub(super) version: Option<String>,
    /// Container image, instead of zookeeper:VERSION.
    pub(super) image: Option<String>,
    /// 1, 3 or 5.
    pub(super) nodes: Option<u16>,
    /// Largest JVM heap, such as 64M or 1G.
    #[schemars(with = "Option<String>")]
    pub(super) heap: Option<Heap>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KafkaSpec {
    /// 3.x.y, at most 3.9: Kafka 4 has no ZooKeeper mode.
    pub(super) version: Option<String>,
    /// Container image, instead of apache/kafka:VERSION.
    pub(super) image: Option<String>,
    /// 1, 3 or 5.
    pub(super) brokers: Option<u16>,
    /// Largest JVM heap, such as 256M or 1G.
    #[schemars(with = "Option<String>")]
    pub(super) heap: Option<Heap>,
    /// How brokers store messages, whatever producers send: snappy unless it says otherwise. Whoever reads must have
    /// the codec; `producer` leaves the choice to each producer.
    pub(super) compression: Option<Compression>,
    /// Broker settings by Kafka's own names.
    pub(super) config: Option<BTreeMap<String, Scalar>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MosquittoSpec {
    /// 2.x.y
    pub(super) version: Option<String>,
    /// Container image, instead of eclipse-mosquitto:VERSION; from 2.1 on, instead of eclipse-mosquitto:VERSION-alpine.
    pub(super) image: Option<String>,
    /// For each of the three listeners.
    pub(super) max_connections: Option<u32>,
    /// Messages held for one client that is away or slow.
    pub(super) max_queued_messages: Option<u32>,
    /// QoS 1 and 2 messages on their way to one client.
    pub(super) max_inflight_messages: Option<u16>,
    /// Seconds, 10 to 65535: the longest keep alive that clients are promised; 0 for any.
    pub(super) max_keepalive: Option<u16>,
    /// How sessions and messages are kept; sqlite from version 2.1 on, file before.
    pub(super) persistence: Option<Persistence>,
    /// The SQLite plugin's file, for images that have it elsewhere than the official ones, and packages likewise.
    pub(super) sqlite_plugin: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicSpec {
    /// Letters, digits, '.', '_' and '-'.
    pub(super) name: String,
    /// 1 to 1,000; a topic that is not built in has 3 unless it says otherwise.
    #[serde(default)]
    pub(super) partitions: Option<u16>,
    /// Topic settings by Kafka's own names, such as retention.ms.
    #[serde(default)]
    pub(super) config: Option<BTreeMap<String, Scalar>>,
    /// What it is for.
    #[serde(default)]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceSpec {
    /// Also its MQTT user name.
    pub(super) id: String,
    /// The user to whom it belongs.
    #[serde(default)]
    pub(super) owner: Option<String>,
}

/// A setting's value: text, a number, or true or false.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Scalar {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl From<&Scalar> for String {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Integer(value) => value.to_string(),
            Scalar::Float(value) => value.to_string(),
            Scalar::Text(value) => value.clone(),
        }
    }
}
