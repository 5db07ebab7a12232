//! Addresses and credentials: all that a client needs to know about a stack.

use std::path::PathBuf;

use crate::about::About;

/// How to reach one stack, from this machine or from a container on its network.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Whose they are.
    pub about: About,
    /// `host:port` of every broker.
    pub kafka: Vec<String>,
    /// `host:port` of every ZooKeeper node.
    pub zookeeper: Vec<String>,
    pub mqtt: Address,
    pub mqtts: Address,
    pub mqtt_ws: Address,
    /// The backend's login.
    pub username: String,
    pub password: String,
    /// PEM file of the authority that signed the certificate on 8883.
    pub ca_file: PathBuf,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::fmt::Debug for Endpoints {
    /// Leaves the password out: this may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("kafka", &self.kafka)
            .field("zookeeper", &self.zookeeper)
            .field("mqtt", &self.mqtt)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
