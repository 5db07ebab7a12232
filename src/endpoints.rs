//! Addresses and credentials: all that a client needs to know about a stack.

use std::path::PathBuf;

use crate::about::About;
use crate::secrets::Secret;

/// How to reach one stack, from this machine or from a container on its network.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub password: Secret,
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
