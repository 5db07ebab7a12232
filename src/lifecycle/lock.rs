//! One command at a time may change a stack.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::about::Remedy;
use crate::event::{Event, Notice, Report};
use crate::failure::Failure;
use crate::paths::{Paths, ensure_private_dir};
use crate::shutdown::Shutdown;
use crate::stack::StackName;

/// Held while a stack is being changed; the system releases it however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the stack's lock, waiting for its holder until `deadline`.
    ///
    /// # Errors
    /// [`Failure::Busy`] when the deadline passes, [`Failure::Interrupted`] on a signal.
    pub async fn acquire(
        paths: &Paths,
        name: &StackName,
        command: &str,
        deadline: Instant,
        report: Report<'_>,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let path = paths.lock(name);
        ensure_private_dir(path.parent().unwrap_or(Path::new("/")))?;
        let mut announced = false;
        loop {
            let holder = match Self::try_acquire(&path, command)? {
                Ok(lock) => return Ok(lock),
                Err(holder) => holder,
            };
            if Instant::now() >= deadline {
                return Err(Failure::Busy {
                    cause: format!("{holder} is still working on stack {name}"),
                    remedy: Remedy::words("wait for it to finish (--timeout sets how long), or stop it with Ctrl-C"),
                }
                .into());
            }
            if !announced {
                report(Event::Noticed(Notice::Waits { holder, stack: name.clone() }));
                announced = true;
            }
            // The system has no way to wait for a file lock with a deadline.
            shutdown.guard(pause()).await?;
        }
    }

    /// Takes a stack's lock if nobody holds it; who does, otherwise.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn at_once(paths: &Paths, name: &StackName, command: &str) -> Result<Result<Self, String>> {
        let path = paths.lock(name);
        ensure_private_dir(path.parent().unwrap_or(Path::new("/")))?;
        Self::try_acquire(&path, command)
    }

    /// Takes the lock of simulations if nobody holds it; who does, otherwise.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn of_simulation(paths: &Paths, name: &StackName) -> Result<Result<Self, String>> {
        Self::try_acquire(&paths.simulation_lock(name), "simulate")
    }

    /// Who holds a stack's lock at this moment; makes no file.
    pub fn holder(paths: &Paths, name: &StackName) -> Option<String> {
        let mut file = File::open(paths.lock(name)).ok()?;
        // Shared: two that look do not see each other.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder_in(&mut file)),
            _ => None,
        }
    }

    /// The lock, or who holds it.
    fn try_acquire(path: &Path, command: &str) -> Result<Result<Self, String>> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut file = open().with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Err(holder_in(&mut file)));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        // The holder before us may have removed the file that we opened: then the lock is worth nothing.
        let same_file = fs::metadata(path).is_ok_and(|at_path| file.metadata().is_ok_and(|m| m.ino() == at_path.ino()));
        if !same_file {
            return Self::try_acquire(path, command);
        }
        // Who holds it is a courtesy; a full disk must not keep `down` from making room.
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = write!(file, "sosstack {command} (pid {})", std::process::id());
        Ok(Ok(Self { _file: file, path: path.to_owned() }))
    }

    /// Removes the lock's file too, for a stack of which nothing is left.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn holder_in(file: &mut File) -> String {
    let mut holder = String::new();
    let read = file.read_to_string(&mut holder);
    let holder = holder.trim();
    if read.is_err() || holder.is_empty() { "another sosstack".to_owned() } else { holder.to_owned() }
}

async fn pause() -> Result<()> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &Path) -> Paths {
        Paths { data: dir.to_owned(), cache: dir.to_owned() }
    }

    async fn acquire(paths: &Paths, patience: Duration) -> Result<Lock> {
        let name = "sos".parse().unwrap();
        Lock::acquire(paths, &name, "up", Instant::now() + patience, &|_| {}, &Shutdown::default()).await
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_names_it_when_it_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        let first = acquire(&paths, Duration::ZERO).await.unwrap();
        let refusal = acquire(&paths, Duration::ZERO).await.unwrap_err().to_string();
        assert!(refusal.contains(&format!("sosstack up (pid {})", std::process::id())), "{refusal}");
        drop(first);
        acquire(&paths, Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn a_removed_lock_file_locks_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        acquire(&paths, Duration::ZERO).await.unwrap().remove();
        let _second = acquire(&paths, Duration::ZERO).await.unwrap();
        assert!(acquire(&paths, Duration::ZERO).await.is_err());
    }
}
