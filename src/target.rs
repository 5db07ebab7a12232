//! Where a stack runs, as far as addresses and paths depend on it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stack::load::Place;
use crate::stack::{Persistence, SQLITE_PLUGIN, Service, Stack};

/// What runs a stack on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    Docker,
    Process,
}

impl RuntimeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// The closed set of places; an enum, so that a new one breaks every `match` that must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Docker,
    Process(Layout),
    /// Pods of a cluster: one configuration for all of a kind, which take their ordinal from their name.
    Kubernetes,
}

/// Where things are on this machine when services are plain processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The stack's own directory.
    pub root: PathBuf,
    pub java: PathBuf,
    /// Java class path with Kafka's and ZooKeeper's jars; may end in `/*`.
    pub class_path: String,
    pub mosquitto: PathBuf,
    /// As the program itself says, such as `2.0.22`.
    pub mosquitto_version: String,
    /// Where the SQLite plugin is that belongs to it, where there is one.
    pub sqlite_plugin: Option<PathBuf>,
    /// The user that runs sosstack; Mosquitto started by root would become another.
    pub user: String,
}

impl Target {
    /// What the built-in stack is meant for there.
    pub fn place(&self) -> Place {
        match self {
            Self::Docker | Self::Process(_) => Place::Laptop,
            Self::Kubernetes => Place::Cluster,
        }
    }

    /// The version of the Mosquitto that runs: the program's own, else the one that the stack names.
    fn mosquitto_version<'a>(&'a self, stack: &'a Stack) -> &'a str {
        match self {
            Self::Process(layout) => &layout.mosquitto_version,
            Self::Docker | Self::Kubernetes => &stack.mosquitto.version,
        }
    }

    /// What Mosquitto keeps its messages in.
    pub fn persistence(&self, stack: &Stack) -> Persistence {
        stack.mosquitto.persistence_of(self.mosquitto_version(stack))
    }

    /// The SQLite plugin as Mosquitto sees it.
    pub fn sqlite_plugin(&self, stack: &Stack) -> PathBuf {
        let found = match self {
            Self::Process(layout) => layout.sqlite_plugin.clone(),
            Self::Docker | Self::Kubernetes => None,
        };
        stack.mosquitto.sqlite_plugin.clone().or(found).unwrap_or_else(|| SQLITE_PLUGIN.into())
    }
}

impl Layout {
    /// Where one service keeps its configuration and logs.
    pub fn service_dir(&self, service: Service) -> PathBuf {
        self.root.join("services").join(service.to_string())
    }

    /// Where a volume's data lies.
    pub fn volume_dir(&self, volume: &str) -> PathBuf {
        self.root.join("volumes").join(volume)
    }
}
