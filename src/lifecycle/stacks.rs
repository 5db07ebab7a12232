//! All stacks on this machine, whichever runtime has them.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{Event, Report};
use crate::paths::Paths;
use crate::runtime::bridges::Hosted;
use crate::runtime::choose::{self, Available};
use crate::runtime::{Inventory, RuntimeKind, State};
use crate::stack::StackName;

/// One stack; one element of `sosstack list --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    pub stack: StackName,
    pub runtime: RuntimeKind,
    pub state: Extent,
    /// Services that run, and those that there are.
    pub running: usize,
    pub services: usize,
    pub port_offset: u16,
    pub volumes: usize,
    /// Bridges that run.
    pub bridges: usize,
}

/// How much of a stack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Extent {
    #[serde(rename = "up")]
    Up,
    #[serde(rename = "partly up")]
    PartlyUp,
    #[serde(rename = "stopped")]
    Stopped,
    /// There are no services, only data.
    #[serde(rename = "down")]
    Down,
}

impl Extent {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::PartlyUp => "partly up",
            Self::Stopped => "stopped",
            Self::Down => "down",
        }
    }
}

/// Lists them by name; where the user chose a Docker daemon, it is missed if it does not answer. What cannot be asked or read is reported, and hides no other.
///
/// # Errors
/// When a runtime does not tell its stacks.
pub async fn list(paths: &Paths, report: Report<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let Available { runtimes, without_docker, misses_daemon } = choose::available(paths, None).await?;
    // Where no daemon is named and none answers there is no Docker; one that is named may have stacks.
    if let Some(error) = without_docker.filter(|_| misses_daemon) {
        report(Event::Warning(format!("stacks in Docker are not listed: {error:#}")));
    }
    for runtime in runtimes {
        for stack in runtime.stacks().await? {
            match runtime.inventory(&stack).await {
                Ok(inventory) => {
                    let bridges = Hosted::of(paths, &stack).count_running();
                    entries.push(entry(stack, runtime.kind(), &inventory, bridges));
                }
                // One stack that cannot be read, such as a newer sosstack's, hides no other.
                Err(error) => report(Event::Warning(format!("{error:#}"))),
            }
        }
    }
    entries.sort_by(|a, b| a.stack.cmp(&b.stack));
    Ok(entries)
}

fn entry(stack: StackName, runtime: RuntimeKind, inventory: &Inventory, bridges: usize) -> Entry {
    let services = inventory.instances.len();
    let running = inventory.instances.iter().filter(|instance| instance.state == State::Running).count();
    let state = match (running, services) {
        (0, 0) => Extent::Down,
        (0, _) if !inventory.instances.iter().any(|instance| instance.state.is_alive()) => Extent::Stopped,
        (running, services) if running == services => Extent::Up,
        _ => Extent::PartlyUp,
    };
    let port_offset = inventory.port_offset.unwrap_or(0);
    Entry { stack, runtime, state, running, services, port_offset, volumes: inventory.volumes.len(), bridges }
}
