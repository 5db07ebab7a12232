//! A Compose file as types: as much of the Compose specification as the stack needs.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// `compose.yaml`.
#[derive(Debug, Clone, Serialize)]
pub struct ComposeFile {
    /// Of the project: part of the names of containers, volumes and the network.
    pub name: String,
    #[serde(serialize_with = "in_order")]
    pub services: Vec<(String, ComposeService)>,
    #[serde(serialize_with = "in_order")]
    pub volumes: Vec<(String, Empty)>,
    #[serde(serialize_with = "in_order")]
    pub configs: Vec<(String, InlineConfig)>,
}

/// One container.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ComposeService {
    pub image: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// It is brought up only where one of these is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Instead of the image's own, which would prepare what is prepared already.
    pub entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    pub user: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "in_order")]
    pub depends_on: Vec<(String, Dependency)>,
    /// One-shot services have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthCheck>,
    /// `127.0.0.1:host:container`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, NetworkAttachment>,
    /// `volume:path` or `volume:path:ro`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigMount>,
    pub mem_limit: String,
    pub cap_drop: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    pub security_opt: Vec<String>,
    pub logging: Logging,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What must be so before a service starts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Dependency {
    pub condition: Condition,
}

/// How far the other service must be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// No more than started: it decides in which order services start and, the other way round, stop.
    ServiceStarted,
    /// A one-shot service that ended with exit status 0.
    ServiceCompletedSuccessfully,
}

/// Whether Docker starts a container again that ended.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    UnlessStopped,
}

/// How Docker finds out whether a service works; durations as Compose writes them.
#[derive(Debug, Clone, Serialize)]
pub struct HealthCheck {
    pub test: Vec<String>,
    pub interval: &'static str,
    pub timeout: &'static str,
    pub start_period: &'static str,
    pub retries: u8,
}

/// The service on a network.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkAttachment {
    pub aliases: Vec<String>,
}

/// A config as a file in the container, root's and for all to read; Compose copies it there before each start. With an
/// owner of its own, Docker 20.10 looks for the container's user in the host's list of users, and refuses.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigMount {
    pub source: String,
    pub target: String,
}

/// A config whose contents stand in the Compose file.
#[derive(Debug, Clone, Serialize)]
pub struct InlineConfig {
    pub content: String,
}

/// Docker's own log files, of a bounded size.
#[derive(Debug, Clone, Serialize)]
pub struct Logging {
    pub driver: &'static str,
    pub options: BTreeMap<&'static str, &'static str>,
}

impl Default for Logging {
    fn default() -> Self {
        Self { driver: "json-file", options: BTreeMap::from([("max-file", "3"), ("max-size", "10m")]) }
    }
}

/// `{}`: everything as it is by default.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Empty {}

/// A mapping in the order in which it was put together, as people read it.
fn in_order<V: Serialize, S: Serializer>(entries: &[(String, V)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, value)| (name, value)))
}
