//! The model: what the messaging layer consists of, whatever runs it.
//!
//! [`load::load`] reads seed data and the user's file, merges them and refuses what cannot work, so that
//! a [`Stack`] is complete and valid.
//!
//! What is so whatever the file says stands here once, for configuration, runtimes, exports and checks alike: [`ports`],
//! [`names`], [`image`], [`sizes`], [`rules`], and in [`leaf`] the topics of devices.

mod compression;
pub mod device;
pub mod device_list;
pub(crate) mod document;
pub mod heap;
pub mod image;
pub mod leaf;
pub mod load;
mod member;
mod merge;
mod mosquitto;
pub mod name;
pub mod names;
pub mod owner_list;
mod place;
pub mod ports;
pub(crate) mod positions;
mod profile;
pub mod rules;
pub mod service;
pub(crate) mod shape;
mod simulated;
pub mod sizes;
mod spec;
pub mod topic;
mod validate;
mod variables;
mod version;

use std::collections::BTreeMap;

use serde::Serialize;

pub use compression::Compression;
pub use device::Device;
pub use heap::Heap;
pub use member::{Bridge, Member};
pub use mosquitto::{Mosquitto, Persistence, SQLITE_PLUGIN, SQLITE_SINCE, has_sqlite};
pub use name::StackName;
pub use ports::Ports;
pub use profile::Profile;
pub use service::{Role, Service};
pub use simulated::Simulated;
pub use topic::Topic;
pub use validate::topic_problems;

/// The whole messaging layer of one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stack {
    pub name: StackName,
    /// Kubernetes namespace whose names applications use, also on the laptop's Docker network.
    pub namespace: String,
    /// The cluster's DNS domain.
    pub domain: String,
    pub profile: Profile,
    pub ports: Ports,
    pub zookeeper: Ensemble,
    pub kafka: Kafka,
    pub mosquitto: Mosquitto,
    pub topics: Vec<Topic>,
    pub devices: Vec<Device>,
}

/// The ZooKeeper ensemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ensemble {
    pub version: String,
    pub image: String,
    /// 1, 3 or 5.
    pub nodes: u16,
    pub heap: Heap,
}

/// The Kafka brokers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kafka {
    pub version: String,
    pub image: String,
    /// 1, 3 or 5.
    pub brokers: u16,
    pub heap: Heap,
    /// Of every topic that does not say otherwise.
    pub compression: Compression,
    /// Broker settings that override the defaults.
    pub config: BTreeMap<String, String>,
}

impl Kafka {
    /// Replicas of each partition: three where there are three brokers.
    pub fn replication_factor(&self) -> u16 {
        self.brokers.min(3)
    }

    /// Replicas that must have a message before it is acknowledged: one may be lost.
    pub fn min_insync_replicas(&self) -> u16 {
        self.replication_factor().saturating_sub(1).max(1)
    }
}

impl Stack {
    /// All services, in the order in which they are listed: ZooKeeper, Kafka, Mosquitto.
    pub fn services(&self) -> Vec<Service> {
        let zookeeper = (0..self.zookeeper.nodes).map(Service::zookeeper);
        let kafka = (0..self.kafka.brokers).map(Service::kafka);
        zookeeper.chain(kafka).chain([Service::mosquitto()]).collect()
    }
}
