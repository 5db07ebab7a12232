//! Who may write a journal: the one that holds its lock, which the system takes back however the holder ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::trouble;
use crate::paths::ensure_private_dir;

const FILE: &str = "lock";
/// How often a standby tries: the system has no way to await a file lock that can be given up.
const PATIENCE: Duration = Duration::from_millis(50);

/// The right to write one journal. A standby waits for it before it opens the journal.
#[derive(Debug)]
pub struct Lock {
    directory: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds it. Dropping the future gives up.
    ///
    /// # Errors
    /// When the directory cannot be made or its lock not be opened.
    pub async fn acquire(directory: &Path) -> Result<Self> {
        loop {
            if let Some(lock) = Self::try_acquire(directory)? {
                return Ok(lock);
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    /// None where another process, or another part of this one, holds it. Makes the directory if need be.
    ///
    /// # Errors
    /// When the directory cannot be made or its lock not be opened.
    pub fn try_acquire(directory: &Path) -> Result<Option<Self>> {
        ensure_private_dir(directory).map_err(|error| trouble::explain(error, directory))?;
        let path = directory.join(FILE);
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open()
            .with_context(|| format!("opening {}", path.display()))
            .map_err(|error| trouble::explain(error, directory))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        // Whoever removed the journal meanwhile removed the file that we opened: then the lock is worth nothing.
        let is_the_same = fs::metadata(&path).is_ok_and(|at_path| {
            file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (at_path.dev(), at_path.ino()))
        });
        if !is_the_same {
            return Self::try_acquire(directory);
        }
        // Who holds it is a courtesy; a full disk must not keep the bridge from delivering.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = write!(file, "{}", std::process::id());
        Ok(Some(Self { directory: directory.to_owned(), _file: file }))
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The process id of who holds a journal's lock at this moment; changes nothing.
pub fn holder(directory: &Path) -> Option<String> {
    let mut file = File::open(directory.join(FILE)).ok()?;
    // Shared: two that look do not see each other.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok()?;
            Some(holder.trim().to_owned())
        }
        _ => None,
    }
}
