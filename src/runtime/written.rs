//! Records of processes: read unless a newer sosstack wrote them, and what they say of one that does not run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{FORMAT, State, newer};
use crate::stack::StackName;

/// As much of a record as every format has; the oldest has none.
#[derive(Deserialize)]
struct Written {
    format: Option<u32>,
}

/// Reads a stack's record; None where there is none.
///
/// # Errors
/// When it cannot be read, is damaged, or was written by a newer sosstack.
pub(super) fn read<T: DeserializeOwned>(stack: &StackName, path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => {
            let damaged = || format!("{} is damaged", path.display());
            // Its other fields may be unreadable for us when it is of another format.
            let written: Written = serde_json::from_slice(&text).with_context(damaged)?;
            if let Some(format) = written.format.filter(|format| *format > FORMAT) {
                return Err(newer(stack, format).into());
            }
            serde_json::from_slice(&text).map(Some).with_context(damaged)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// The state of what has no process: whether it was ended on purpose, and when it was last started.
pub(super) fn state_without_process(stopped: bool, started: Option<Timestamp>) -> State {
    match (stopped, started) {
        (true, _) => State::Stopped,
        (false, None) => State::Created,
        (false, Some(_)) => State::Exited { code: None },
    }
}
