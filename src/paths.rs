//! Where sosstack keeps things on this machine, and files that only their owner may read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use directories::ProjectDirs;

use crate::stack::StackName;

/// In a stack's directory; see [`Paths::simulation_lock`].
pub const SIMULATION_LOCK: &str = "simulation.lock";

/// The data and cache directories of this user, by the platform's convention (XDG on Linux).
#[derive(Debug, Clone)]
pub struct Paths {
    pub data: PathBuf,
    pub cache: PathBuf,
}

impl Paths {
    /// # Errors
    /// When the user has no home directory.
    pub fn of_this_user() -> Result<Self> {
        let dirs = ProjectDirs::from("", "", "sosstack").context("this user has no home directory: set HOME")?;
        Ok(Self { data: dirs.data_dir().to_owned(), cache: dirs.cache_dir().to_owned() })
    }

    /// The directory of one stack: credentials, and everything of a stack of plain processes.
    pub fn stack(&self, name: &StackName) -> PathBuf {
        self.data.join("stacks").join(name.as_str())
    }

    /// The lock that a simulation holds for as long as its devices are wanted.
    pub fn simulation_lock(&self, name: &StackName) -> PathBuf {
        self.stack(name).join(SIMULATION_LOCK)
    }

    /// The journal of a stack's bridges.
    pub fn bridge(&self, name: &StackName) -> PathBuf {
        self.stack(name).join("bridge")
    }

    /// What is kept of a stack's bridges as processes: records and logs.
    pub fn bridges(&self, name: &StackName) -> PathBuf {
        self.stack(name).join("bridges")
    }

    /// The lock that commands changing a stack hold. Outside its directory, which `down` removes.
    pub fn lock(&self, name: &StackName) -> PathBuf {
        self.data.join("stacks").join(format!("{name}.lock"))
    }
}

/// Makes a directory, with its parents, that only its owner may enter, whatever the umask.
///
/// # Errors
/// When a directory cannot be made.
pub fn ensure_private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("creating directory {}", path.display()))
}

/// Writes a file at once or not at all: a kill leaves the old or the new contents, never half.
/// `mode` is its exact permissions, whatever the umask.
///
/// # Errors
/// When the directory is missing, full or not writable.
pub fn write_atomic(path: &Path, contents: &[u8], mode: u32) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let _ = fs::remove_file(&temporary);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// What a directory holds, sorted; nothing where there is none.
pub fn children(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Bytes of a file or of all files below a directory.
pub fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => children(path).iter().map(|child| size(child)).sum(),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}
