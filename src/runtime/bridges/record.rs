//! What is written down about a bridge: what it was started from, and which process it became.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::paths::write_atomic;
use crate::runtime::process::identity::{Identity, Running};
use crate::runtime::{FORMAT, State, written};
use crate::stack::StackName;

const FILE: &str = "bridge.json";

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// Program and arguments.
    pub(super) command: Vec<String>,
    pub(super) port: u16,
    pub(super) hash: String,
    /// Ended on purpose.
    pub(super) stopped: bool,
    /// When it was last started. Set before the process is, so that one started by a sosstack that was killed at that
    /// moment is looked for.
    pub(super) started: Option<Timestamp>,
    pub(super) process: Option<Identity>,
}

impl Record {
    pub(super) fn new(command: Vec<String>, port: u16, hash: String) -> Self {
        Self { format: FORMAT, command, port, hash, stopped: false, started: None, process: None }
    }

    /// None where there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was written by a newer sosstack.
    pub(super) fn read(stack: &StackName, dir: &Path) -> Result<Option<Self>> {
        written::read(stack, &dir.join(FILE))
    }

    /// # Errors
    /// When the directory is missing, full or not writable.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        write_atomic(&dir.join(FILE), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// The process that was written down, if it runs.
    pub(super) fn running(&self) -> Option<Running> {
        let running = Running { identity: self.process.clone()?, command: self.command.clone() };
        running.is_alive().then_some(running)
    }

    /// What a bridge without a process is.
    pub(super) fn state_without_process(&self) -> State {
        written::state_without_process(self.stopped, self.started)
    }
}
