//! What is written down about a bridge: what it was started from, and which process it became.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::paths::write_atomic;
use crate::runtime::process::identity::{Identity, Running};
use crate::runtime::{FORMAT, State, newer};
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

/// As much of a record as every format has.
#[derive(Deserialize)]
struct Written {
    format: u32,
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
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => {
                let damaged = || format!("{} is damaged", path.display());
                let Written { format } = serde_json::from_slice(&text).with_context(damaged)?;
                if format > FORMAT {
                    return Err(newer(stack, format).into());
                }
                serde_json::from_slice(&text).map(Some).with_context(damaged)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
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
        match (self.stopped, self.started) {
            (true, _) => State::Stopped,
            (false, None) => State::Created,
            (false, Some(_)) => State::Exited { code: None },
        }
    }
}
