//! Runs workloads on this machine: a trait, as there are two real runtimes, and a small one beside it for archives of
//! classes.
//!
//! Narrow on purpose: what a workload needs done, not what Docker offers.

pub mod archives;
pub mod bridges;
pub mod caches;
pub mod choose;
mod classes;
pub mod docker;
pub mod merged;
pub mod ports;
pub mod process;
mod written;

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::archives::Archives;
use crate::about::Remedy;
use crate::event::Report;
use crate::failure::Failure;
use crate::shutdown::Shutdown;
use crate::stack::{Member, Service, Stack, StackName};
use crate::target::Target;
use crate::workload::{ConfigFile, PublishedPort, Workload};

pub use crate::target::RuntimeKind;

/// How labels and records are written. A sosstack leaves alone what a newer one wrote in another way.
pub const FORMAT: u32 = 1;

/// The refusal to touch a stack of another format.
fn newer(stack: &StackName, format: u32) -> Failure {
    Failure::Failed {
        cause: format!("stack {stack} was made by a newer sosstack (format {format}; this one knows {FORMAT})"),
        remedy: Remedy::words("update sosstack; nothing was changed"),
    }
}

/// One service as it is on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub service: Service,
    /// [`Workload::config_hash`] of what it was made from.
    pub config_hash: String,
    /// [`Workload::live_hash`] of the files it last loaded.
    pub live_hash: String,
    /// `ports.offset` of the stack that it was made from.
    pub port_offset: u16,
    /// Host ports it publishes when it runs.
    pub ports: Vec<PublishedPort>,
    pub state: State,
    /// When it was last started, if it runs.
    pub started: Option<Timestamp>,
    /// Container id (short) or process id.
    pub handle: String,
    /// How often the runtime has started it again after it died by itself; 0 where nothing does so.
    pub restarts: u32,
}

/// Whether an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum State {
    /// Made, never started.
    Created,
    Running,
    /// Runs, but stands still until it is resumed: `docker pause`, or SIGSTOP.
    Paused,
    /// The stack has the service, and there is no instance of it; no inventory says so, only [`crate::observe`].
    Missing,
    /// Died and is being started again by Docker.
    Restarting,
    /// Ended on purpose (`sosstack stop`).
    Stopped,
    /// Ended by itself; `code` is its exit status where known.
    Exited {
        code: Option<i64>,
    },
}

impl State {
    /// Whether it has a process that holds its ports and its data.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// Everything of one stack that a runtime has on this machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    pub instances: Vec<Instance>,
    /// Names of the volumes that exist, as in [`crate::workload::Volume::name`].
    pub volumes: Vec<String>,
    /// `ports.offset` with which the stack was made; kept for the life of the stack, `down` included.
    pub port_offset: Option<u16>,
    /// Whether the stack's network or directory exists.
    pub exists: bool,
}

impl Inventory {
    /// Whether a service has a process.
    pub fn is_alive(&self, service: Service) -> bool {
        self.instances.iter().any(|instance| instance.service == service && instance.state.is_alive())
    }
}

/// What [`Runtime::create`] made, so that an interrupted run can undo exactly that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Created {
    pub volumes: Vec<String>,
}

/// One line that a service or a bridge wrote; one line of `sosstack logs --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogLine {
    #[schemars(with = "String")]
    pub service: Member,
    /// None when neither runtime nor line tells.
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
    /// Without the timestamp and the line's end.
    pub text: String,
}

/// Which log lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Empty: all.
    pub services: Vec<Service>,
    pub since: Option<Timestamp>,
    /// The newest lines of each service.
    pub tail: Option<usize>,
    /// Go on with new lines until dropped.
    pub follow: bool,
}

/// A place that runs workloads.
#[async_trait]
pub trait Runtime: Archives {
    fn kind(&self) -> RuntimeKind;

    /// The id of the daemon that has this runtime's stacks. None where there is no daemon, or none that keeps an id.
    async fn daemon(&self) -> Result<Option<String>>;

    /// Where workloads are rendered for. Finds Java, jars' place and Mosquitto for plain processes.
    ///
    /// # Errors
    /// [`crate::failure::Failure::NoRuntime`] when a program that is needed is missing or of a wrong version.
    async fn target(&self, stack: &Stack) -> Result<Target>;

    /// Makes sure that what the workloads run from (images, jars) is on this machine.
    ///
    /// # Errors
    /// [`crate::failure::Failure::NoRuntime`] when it is not to be had.
    async fn fetch(&self, stack: &Stack, workloads: &[Workload], report: Report<'_>, shutdown: &Shutdown)
    -> Result<()>;

    /// What exists of a stack, instances sorted by service.
    async fn inventory(&self, stack: &StackName) -> Result<Inventory>;

    /// The names of all stacks that have instances or volumes here, sorted.
    async fn stacks(&self) -> Result<Vec<StackName>>;

    /// Makes what all services of a stack share (network or directory). Idempotent.
    async fn prepare(&self, stack: &Stack) -> Result<()>;

    /// Makes an instance with its volumes and files, not started yet. Replaces nothing.
    async fn create(&self, stack: &Stack, workload: &Workload) -> Result<Created>;

    /// Starts an instance that was created or has ended.
    async fn start(&self, stack: &StackName, service: Service) -> Result<()>;

    /// Puts a new instance in the place of one that has ended, and starts it; named volumes stay. When that fails, the
    /// earlier one is there again, ended.
    async fn replace(&self, stack: &Stack, workload: &Workload) -> Result<Created>;

    /// Has a paused instance go on.
    async fn resume(&self, stack: &StackName, service: Service) -> Result<()>;

    /// SIGTERM, then SIGKILL after `grace`; returns when it has ended. Fine if it has already.
    async fn stop(&self, stack: &StackName, service: Service, grace: Duration) -> Result<()>;

    /// Removes an instance (killing it if it runs), keeping its named volumes. Fine if it is gone.
    async fn remove(&self, stack: &StackName, service: Service) -> Result<()>;

    /// Replaces live files of a running instance and has it load them; remembers `live_hash`.
    async fn reload(&self, stack: &StackName, service: Service, files: &[ConfigFile], live_hash: &str) -> Result<()>;

    /// Removes volumes of this stack by name. Fine if they are gone.
    async fn remove_volumes(&self, stack: &StackName, volumes: &[String]) -> Result<()>;

    /// Removes what `prepare` made. Call it when no instance is left; volumes stay.
    async fn retire(&self, stack: &StackName) -> Result<()>;

    /// Resident memory of running instances, in bytes.
    async fn memory(&self, stack: &StackName, services: &[Service]) -> Result<Vec<(Service, u64)>>;

    /// Log lines merged by time.
    async fn logs(&self, stack: &StackName, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>>;
}

/// Who holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// E.g. `container grafana (image grafana/grafana)` or `stack sos, which runs in Docker`; the same for all its ports.
    pub description: String,
    /// A command that frees it, e.g. `docker stop grafana` or `sosstack down --stack sos`.
    pub remedy: Option<Remedy>,
}
