//! What is written down about an instance: what it is and which process it became.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{Identity, Running};
use crate::paths::write_atomic;
use crate::runtime::{FORMAT, State, written};
use crate::stack::StackName;
use crate::workload::Workload;

pub(super) const FILE: &str = "instance.json";

/// One instance of a stack of plain processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(default = "oldest")]
    format: u32,
    /// Without the contents of its files.
    pub(super) workload: Workload,
    pub(super) config_hash: String,
    pub(super) live_hash: String,
    pub(super) port_offset: u16,
    /// Ended on purpose.
    pub(super) stopped: bool,
    /// When it was last started. Set before the process is, so that one started by a sosstack that
    /// was killed at that moment is looked for.
    pub(super) started: Option<Timestamp>,
    pub(super) process: Option<Identity>,
}

fn oldest() -> u32 {
    1
}

impl Record {
    pub(super) fn new(workload: &Workload, port_offset: u16) -> Self {
        let (config_hash, live_hash) = (workload.config_hash(), workload.live_hash());
        let mut workload = workload.clone();
        for file in &mut workload.files {
            file.contents.clear();
        }
        Self {
            format: FORMAT,
            workload,
            config_hash,
            live_hash,
            port_offset,
            stopped: false,
            started: None,
            process: None,
        }
    }

    /// Reads the record of a service's directory; None when there is none.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was written by a newer sosstack.
    pub(super) fn read(stack: &StackName, service_dir: &Path) -> Result<Option<Self>> {
        written::read(stack, &service_dir.join(FILE))
    }

    /// # Errors
    /// When the directory is missing, full or not writable.
    pub(super) fn write(&self, service_dir: &Path) -> Result<()> {
        write_atomic(&service_dir.join(FILE), &serde_json::to_vec_pretty(self)?, 0o600)
    }

    /// The process that was written down, if it runs.
    pub(super) fn running(&self) -> Option<Running> {
        let running = Running { identity: self.process.clone()?, command: self.workload.command.clone() };
        running.is_alive().then_some(running)
    }

    /// What a service without a process is.
    pub(super) fn state_without_process(&self) -> State {
        written::state_without_process(self.stopped, self.started)
    }
}
