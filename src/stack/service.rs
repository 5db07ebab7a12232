//! The names of the running parts: `zookeeper-0`, `kafka-2`, `mosquitto`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which of the three systems a service belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Zookeeper,
    Kafka,
    Mosquitto,
}

impl Role {
    /// The role's name as users type it and labels carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zookeeper => "zookeeper",
            Self::Kafka => "kafka",
            Self::Mosquitto => "mosquitto",
        }
    }
}

/// One node of the ensemble, one broker, or the MQTT server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    pub role: Role,
    /// Counted from 0, as a StatefulSet counts its pods.
    pub ordinal: u16,
}

impl Service {
    pub fn zookeeper(ordinal: u16) -> Self {
        Self { role: Role::Zookeeper, ordinal }
    }

    pub fn kafka(ordinal: u16) -> Self {
        Self { role: Role::Kafka, ordinal }
    }

    pub fn mosquitto() -> Self {
        Self { role: Role::Mosquitto, ordinal: 0 }
    }

    /// Whether a word that a user typed means this service: `kafka-1`, `kafka`, `zk`, `mqtt`, …
    pub fn matches(self, word: &str) -> bool {
        let role = match self.role {
            Role::Zookeeper => word == "zookeeper" || word == "zk",
            Role::Kafka => word == "kafka",
            Role::Mosquitto => word == "mqtt" || word == "mosquitto-0" || word == "mqtt-0",
        };
        role || word == self.to_string()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Mosquitto => f.pad("mosquitto"),
            role => f.pad(&format!("{}-{}", role.as_str(), self.ordinal)),
        }
    }
}

impl FromStr for Service {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let service = match text.rsplit_once('-') {
            Some(("zookeeper", ordinal)) => ordinal.parse().ok().map(Self::zookeeper),
            Some(("kafka", ordinal)) => ordinal.parse().ok().map(Self::kafka),
            None if text == "mosquitto" => Some(Self::mosquitto()),
            _ => None,
        };
        service.ok_or_else(|| anyhow::anyhow!("there is no service {text:?}"))
    }
}

impl Serialize for Service {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
