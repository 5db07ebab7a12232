//! What a cluster of the stack needs beyond its accounts, kept as they are: the same each time it is exported.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Secret, password, secret};
use crate::paths::{ensure_private_dir, write_atomic};

const FILE: &str = "cluster.json";

/// Passwords between the parts of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecrets {
    /// By which the second Mosquitto reaches the first.
    #[serde(serialize_with = "secret::to_private_file")]
    pub peer_password: Secret,
}

impl ClusterSecrets {
    /// Whether a cluster may live by this stack's secrets: they were exported once.
    pub fn exist(stack_dir: &Path) -> bool {
        stack_dir.join(FILE).exists()
    }

    /// Reads them or makes them.
    ///
    /// # Errors
    /// When the stack's directory cannot be read or written, or the file is damaged.
    pub fn ensure(stack_dir: &Path) -> Result<Self> {
        let path = stack_dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self { peer_password: password() };
                ensure_private_dir(stack_dir)?;
                write_atomic(&path, &serde_json::to_vec_pretty(&secrets)?, 0o600)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
}
