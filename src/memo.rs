//! What a stack remembers beside its credentials: what was chosen when it was made, and which data it has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::paths::{ensure_private_dir, write_atomic};
use crate::stack::{Persistence, Profile, Service, Simulated};
use crate::target::RuntimeKind;

const FILE: &str = "stack.json";

/// In the stack's directory, until its data is removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memo {
    /// Where the stack's services and data are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeKind>,
    /// The id of the Docker daemon that has them. None for processes, and where the daemon keeps no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<String>,
    /// As `--profile` said last; holds where neither flag nor file says another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Volumes that were there when the stack was last proven ready: one that is missing was removed by hand.
    #[serde(default)]
    pub volumes: BTreeSet<String>,
    /// Hashes of the logins that Mosquitto loaded by this data directory's word: those that it has, and those that come
    /// next. Others are somebody else's. Empty: from before this was noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<String>,
    /// What Mosquitto keeps its messages in, noted before it was first started so; None: of before there was a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// The services that the stack had when `up` last changed it: one that is missing was removed by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Services that a command was about to stop: one that was killed meanwhile left them ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopping: Vec<Service>,
    /// Topics that may choose a leader out of sync until lost brokers are back, and what they said of it before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unclean: BTreeMap<String, Option<String>>,
    /// The bridges that `up` was asked for, until it is asked to take them away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridges: Option<Bridging>,
    /// Devices that a simulation was about to enrol: one that was killed left them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

/// How the bridges of a stack are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bridging {
    /// Their routes file, absolute; None for the built-in routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<PathBuf>,
    /// Between two presses of their own as a probe, in milliseconds; None where they do not press.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_ms: Option<u64>,
    /// What services write of emergencies goes back to people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency_status: bool,
}

impl Memo {
    /// Reads a stack's memo; an empty one where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(stack_dir: &Path) -> Result<Self> {
        let path = stack_dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Changes a stack's memo; nothing is written where nothing changes.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn update(stack_dir: &Path, change: impl FnOnce(&mut Self)) -> Result<()> {
        let before = Self::read(stack_dir)?;
        let mut memo = before.clone();
        change(&mut memo);
        if memo == before {
            return Ok(());
        }
        ensure_private_dir(stack_dir)?;
        write_atomic(&stack_dir.join(FILE), &serde_json::to_vec_pretty(&memo)?, 0o600)
    }

    /// Removes it.
    pub fn forget(stack_dir: &Path) {
        let _ = fs::remove_file(stack_dir.join(FILE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_was_never_written_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Memo::read(dir.path()).unwrap(), Memo::default());
        Memo::update(dir.path(), |memo| memo.runtime = Some(RuntimeKind::Docker)).unwrap();
        Memo::update(dir.path(), |memo| memo.volumes = BTreeSet::from(["kafka-0-data".to_owned()])).unwrap();
        let memo = Memo::read(dir.path()).unwrap();
        assert_eq!((memo.runtime, memo.volumes.len()), (Some(RuntimeKind::Docker), 1));
        Memo::forget(dir.path());
        assert_eq!(Memo::read(dir.path()).unwrap(), Memo::default());
    }
}
