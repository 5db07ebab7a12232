//! Where a stack runs, as far as addresses and paths depend on it.

use std::path::PathBuf;

use crate::stack::{Role, Service, Stack};

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
    /// The user that runs sosstack; Mosquitto started by root would become another.
    pub user: String,
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

/// All names under which a service is known in the cluster and on the stack's Docker network,
/// the fully qualified one first.
pub fn cluster_names(stack: &Stack, service: Service) -> Vec<String> {
    let kind = match service.role {
        Role::Zookeeper => "zookeeper",
        Role::Kafka => "kafka",
        Role::Mosquitto => "mqtt",
    };
    let pod = format!("{kind}-{}", service.ordinal);
    let (namespace, domain) = (&stack.namespace, &stack.domain);
    let suffixes =
        [format!(".{namespace}.svc.{domain}"), format!(".{namespace}.svc"), format!(".{namespace}"), String::new()];
    let bases = [format!("{pod}.{kind}-headless"), format!("{kind}-service"), format!("{kind}-headless")];
    let qualified = bases.iter().flat_map(|base| suffixes.iter().map(move |suffix| format!("{base}{suffix}")));
    let mut names: Vec<String> = qualified.chain([pod]).collect();
    if service.role == Role::Mosquitto {
        names.push("mosquitto".to_owned());
    }
    names
}

/// The name that others are told: the pod's fully qualified one.
pub fn cluster_name(stack: &Stack, service: Service) -> String {
    cluster_names(stack, service).swap_remove(0)
}
