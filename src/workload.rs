//! What to run, as plain data: one [`Workload`] a service.
//!
//! A pure function of the stack, its accounts and where it runs; the runtimes carry it out and the
//! exports print it.

pub mod build;
pub mod kafka;
pub mod parts;
pub mod zookeeper;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::stack::Service;
use crate::stack::ports::PortName;

/// One service, ready to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    pub service: Service,
    /// Container image; not used by plain processes.
    pub image: String,
    /// Program and arguments. No secret is among them, and outside of pods no shell is involved.
    pub command: Vec<String>,
    /// Numeric user and group of the process in a container, and owner of its files.
    pub user: u32,
    /// Configuration, written before the start.
    pub files: Vec<ConfigFile>,
    /// Data that outlives the instance.
    pub volumes: Vec<Volume>,
    /// Directories of the image that would otherwise become anonymous volumes.
    pub scratch: Vec<PathBuf>,
    pub ports: Vec<PublishedPort>,
    /// Names under which other containers find it.
    pub aliases: Vec<String>,
    /// The most that a container of it may take, in bytes; plain processes are bounded by their heaps alone.
    #[serde(default)]
    pub memory: u64,
    /// How long it may take to end after SIGTERM before it is killed.
    pub stop_grace: Duration,
}

/// A file that a service reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Absolute, as the service sees it.
    pub path: PathBuf,
    pub contents: String,
    /// Secret files are written with mode 0600, others with 0644.
    pub secret: bool,
    /// Reloaded by SIGHUP, so a change asks for no restart and is not part of the hash.
    pub live: bool,
}

impl std::fmt::Debug for ConfigFile {
    /// Without the contents: they may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigFile").field("path", &self.path).field("secret", &self.secret).finish_non_exhaustive()
    }
}

/// A named place for data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Unique within the stack, e.g. `kafka-0-data`.
    pub name: String,
    /// Absolute, as the service sees it.
    pub path: PathBuf,
}

/// A port on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    pub name: PortName,
    pub host: u16,
    /// Inside the container; equal to `host` for a plain process.
    pub container: u16,
}

impl Workload {
    /// Identifies everything that only a new instance can change: 16 hexadecimal digits.
    pub fn config_hash(&self) -> String {
        let mut fixed = self.clone();
        for file in fixed.files.iter_mut().filter(|file| file.live) {
            file.contents.clear();
        }
        let text = serde_json::to_vec(&fixed).expect("a workload is plain data");
        short_digest(&text)
    }

    /// Identifies the live files, so that a reload happens only when something changed.
    pub fn live_hash(&self) -> String {
        live_hash(&self.files)
    }
}

#[cfg(test)]
impl Workload {
    /// Of these files alone, for tests.
    pub(crate) fn of_files(service: Service, files: Vec<ConfigFile>) -> Self {
        Self {
            service,
            image: "image".to_owned(),
            command: vec!["run".to_owned()],
            user: 1,
            files,
            volumes: Vec::new(),
            scratch: Vec::new(),
            ports: Vec::new(),
            aliases: Vec::new(),
            memory: 0,
            stop_grace: Duration::from_secs(1),
        }
    }
}

/// [`Workload::live_hash`] of a workload with these files.
pub fn live_hash(files: &[ConfigFile]) -> String {
    let live: Vec<_> = files.iter().filter(|file| file.live).map(|f| (&f.path, &f.contents)).collect();
    let text = serde_json::to_vec(&live).expect("files are plain data");
    short_digest(&text)
}

/// The first 64 bits of SHA-256, hexadecimal.
pub(crate) fn short_digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let first = digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}
