//! The command line of `export` and `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::ProfileArg;
use crate::duration::parse as duration;

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write manifests for a Kubernetes cluster; no secret is in them
    K8s(Box<K8sArgs>),
    /// Write a file for Docker Compose, for people without sosstack: docker compose up --wait
    Compose(ExportComposeArgs),
    /// Write the Secrets that the manifests refer to: the backend's login and the devices
    Secrets(SecretsArgs),
}

#[derive(Debug, Args)]
pub struct ExportComposeArgs {
    /// The directory to write; an earlier export in it is replaced. - prints the Compose file instead
    #[arg(long, value_name = "DIR", default_value = "compose")]
    pub out: PathBuf,
    /// Add N to every host port [default: the stack file's, else 0]
    #[arg(long, value_name = "N", env = "SOSSTACK_PORT_OFFSET")]
    pub port_offset: Option<u16>,
    /// What the services are sized for [default: the stack file's, else laptop]
    #[arg(long, value_enum, env = "SOSSTACK_PROFILE")]
    pub profile: Option<ProfileArg>,
    #[command(flatten)]
    pub bridge_as: BridgeArgs,
}

#[derive(Debug, Args)]
pub struct K8sArgs {
    /// The directory, new or of an earlier export; - prints everything as one stream
    #[arg(long, value_name = "DIR", default_value = "k8s")]
    pub out: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The volumes' StorageClass [default: the cluster's own]
    #[arg(long, value_name = "NAME")]
    pub storage_class: Option<String>,
    /// The volume of each ZooKeeper node
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub zookeeper_storage: String,
    /// The volume of each Kafka broker
    #[arg(long, value_name = "SIZE", default_value = "100Gi")]
    pub kafka_storage: String,
    /// The volume of each Mosquitto
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub mqtt_storage: String,
    /// Apply the bridge to Kafka, too: the component components/bridge, which is always there
    #[arg(long)]
    pub bridge: bool,
    #[command(flatten)]
    pub bridge_as: BridgeArgs,
    /// The volume of the bridge's journal
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub bridge_storage: String,
    /// One file for all objects, beside the kustomization
    #[arg(long)]
    pub single_file: bool,
    /// What stands before every image's name, such as registry.example.org/mirror
    #[arg(long, value_name = "PREFIX")]
    pub image_prefix: Option<String>,
    /// The Secret by which images are pulled
    #[arg(long, value_name = "NAME")]
    pub pull_secret: Option<String>,
    /// Also make the namespace, and enforce Pod Security "restricted" on everything in it
    #[arg(long)]
    pub own_namespace: bool,
    /// What the services are sized for [default: the stack file's, else full]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
}

/// What the bridge of an export does.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The bridge's image, which make image builds
    #[arg(long, value_name = "IMAGE", default_value = concat!("sosstack:", env!("CARGO_PKG_VERSION")))]
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
    /// The file, readable for you only; - prints the Secrets
    #[arg(long, value_name = "FILE", default_value = "secrets.yaml")]
    pub out: PathBuf,
    /// The namespace [default: the stack file's, else sos-app]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only the Secret of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Print kubectl commands that make the Secrets, instead; no secret is in them
    #[arg(long, conflicts_with_all = ["out", "only"])]
    pub commands: bool,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Ask a cluster's pods, by kubectl: quorum, brokers, replicas, topics, MQTT allowed and refused, a press through the bridge
    K8s(VerifyK8sArgs),
}

#[derive(Debug, Args)]
pub struct VerifyK8sArgs {
    /// The context of kubectl [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub kube_context: Option<String>,
    /// The namespace [default: the stack file's, else sos-app]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// How long one check may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}
