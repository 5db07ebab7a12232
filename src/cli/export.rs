//! The command line of `export` and `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::ProfileArg;
use crate::duration::parse as duration;
use crate::export::bridge::IMAGE;

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write manifests for a Kubernetes cluster, without any secrets
    K8s(Box<K8sArgs>),
    /// Write a Docker Compose file, for people without sosstack: docker compose up --wait
    Compose(ExportComposeArgs),
    /// Write the Secrets that the manifests refer to: the logins of the backend and the devices
    Secrets(SecretsArgs),
}

#[derive(Debug, Args)]
pub struct ExportComposeArgs {
    /// Directory to write to, replacing an earlier export; - prints the Compose file instead
    #[arg(long, value_name = "DIR", default_value = "compose")]
    pub out: PathBuf,
    /// Add N to every host port [default: the stack file's, else 0]
    #[arg(long, value_name = "N", env = "SOSSTACK_PORT_OFFSET")]
    pub port_offset: Option<u16>,
    /// What to size the services for [default: the stack file's, else laptop]
    #[arg(long, value_enum, env = "SOSSTACK_PROFILE")]
    pub profile: Option<ProfileArg>,
    #[command(flatten)]
    pub bridge_as: BridgeArgs,
}

#[derive(Debug, Args)]
pub struct K8sArgs {
    /// Directory to write to, new or from an earlier export; - prints everything as one stream
    #[arg(long, value_name = "DIR", default_value = "k8s")]
    pub out: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// StorageClass of the volumes [default: the cluster's default]
    #[arg(long, value_name = "NAME")]
    pub storage_class: Option<String>,
    /// Volume size of each ZooKeeper node
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub zookeeper_storage: String,
    /// Volume size of each Kafka broker
    #[arg(long, value_name = "SIZE", default_value = "100Gi")]
    pub kafka_storage: String,
    /// Volume size of each Mosquitto
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub mqtt_storage: String,
    /// Also apply the bridge to Kafka: the component components/bridge, which is always written
    #[arg(long)]
    pub bridge: bool,
    #[command(flatten)]
    pub bridge_as: BridgeArgs,
    /// Volume size of the bridge's journal
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub bridge_storage: String,
    /// Write all objects to one file, beside the kustomization
    #[arg(long)]
    pub single_file: bool,
    /// Prefix for every image name, such as registry.example.org/mirror
    #[arg(long, value_name = "PREFIX")]
    pub image_prefix: Option<String>,
    /// Secret to pull the images with
    #[arg(long, value_name = "NAME")]
    pub pull_secret: Option<String>,
    /// Also create the namespace, and enforce Pod Security "restricted" on everything in it
    #[arg(long)]
    pub own_namespace: bool,
    /// What to size the services for [default: the stack file's, else full]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
}

/// What the bridge of an export does.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The bridge's image, which make image builds
    #[arg(long, value_name = "IMAGE", default_value = IMAGE)]
    pub bridge_image: String,
    /// The bridge's routes file, merged over the built-in routes [default: the built-in routes alone]
    #[arg(long, value_name = "FILE")]
    pub bridge_routes: Option<PathBuf>,
    /// The bridge publishes emergency.updated and emergency.resolved to emergency/{userId}/status, at QoS 1
    #[arg(long)]
    pub bridge_emergency_status: bool,
}

/// Where in the cluster the stack is.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The namespace [default: the stack file's, else sos-app]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// The cluster's DNS domain [default: the stack file's, else cluster.local]
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
}

#[derive(Debug, Args)]
pub struct SecretsArgs {
    /// File to write to, readable only by you; - prints the Secrets
    #[arg(long, value_name = "FILE", default_value = "secrets.yaml")]
    pub out: PathBuf,
    /// The namespace [default: the stack file's, else sos-app]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only the Secret with this name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Print kubectl commands that create the Secrets instead; they contain no secrets
    #[arg(long, conflicts_with_all = ["out", "only"])]
    pub commands: bool,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Check the pods of a cluster with kubectl: quorum, brokers, replicas, topics, MQTT access allowed and refused, a
    /// press through the bridge
    K8s(VerifyK8sArgs),
}

#[derive(Debug, Args)]
pub struct VerifyK8sArgs {
    /// kubectl context [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub kube_context: Option<String>,
    /// The namespace [default: the stack file's, else sos-app]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// How long each check may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}
