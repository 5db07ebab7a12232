//! Removing the journal of a stack that goes with its data.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::inspect::inspect;
use super::lock::{Lock, holder};
use crate::about::Remedy;
use crate::failure::Failure;

/// How many messages wait in a journal that is about to be removed; 0 where there is none. `ending` are the process ids of
/// bridges that will have ended by then.
///
/// # Errors
/// [`Failure::Failed`] while another bridge works with it; others when it cannot be read.
pub fn removable(directory: &Path, ending: &[u32]) -> Result<u64> {
    if !directory.is_dir() {
        return Ok(0);
    }
    let is_ending = |process: &String| process.parse().is_ok_and(|process| ending.contains(&process));
    if let Some(process) = holder(directory).filter(|process| !is_ending(process)) {
        return Err(in_use(directory, Some(process)).into());
    }
    Ok(inspect(directory)?.messages)
}

/// Removes a journal with all that waits in it; nothing where there is none.
///
/// # Errors
/// [`Failure::Failed`] while a bridge works with it; others when it cannot be removed.
pub fn remove(directory: &Path) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    let Some(_lock) = Lock::try_acquire(directory)? else { return Err(in_use(directory, holder(directory)).into()) };
    fs::remove_dir_all(directory).with_context(|| format!("removing {}", directory.display()))
}

fn in_use(directory: &Path, process: Option<String>) -> Failure {
    let who = process.map(|process| format!(" (process {process})")).unwrap_or_default();
    Failure::Failed {
        cause: format!("a bridge{who} is using the journal in {}", directory.display()),
        remedy: Remedy::words("stop it first, with Ctrl-C or SIGTERM"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_goes_unless_a_bridge_works_with_it() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("bridge");
        assert_eq!(removable(&directory, &[]).unwrap(), 0, "there is none");
        remove(&directory).unwrap();
        let lock = Lock::try_acquire(&directory).unwrap().unwrap();
        assert!(removable(&directory, &[]).is_err() && remove(&directory).is_err());
        assert_eq!(removable(&directory, &[std::process::id()]).unwrap(), 0, "it will have ended");
        drop(lock);
        assert_eq!(removable(&directory, &[]).unwrap(), 0);
        remove(&directory).unwrap();
        assert!(!directory.exists());
    }
}
