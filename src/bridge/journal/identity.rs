//! Which cluster a journal's records are for: those of one must not go to another.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::finding::{self, Finding, Kind};
use super::frame::VERSION;
use super::segment::sync_directory;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::paths::{ensure_private_dir, write_atomic};

const FILE: &str = "journal.json";

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    version: u32,
    cluster_id: String,
}

/// The cluster, if one was noted. A note that cannot be read is set aside.
pub(super) fn read(directory: &Path) -> Result<(Option<String>, Option<Finding>)> {
    let path = directory.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, None)),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    if let Ok(identity) = serde_json::from_slice::<Identity>(&text) {
        return Ok((Some(identity.cluster_id), None));
    }
    let folder = directory.join(finding::FOLDER);
    ensure_private_dir(&folder)?;
    let kept = folder.join(FILE);
    fs::rename(&path, &kept).with_context(|| format!("setting {} aside", path.display()))?;
    let bytes = text.len() as u64;
    let finding = Finding { file: path, offset: 0, bytes, kind: Kind::Damaged, lost: None, kept: Some(kept) };
    Ok((None, Some(finding)))
}

/// The cluster that a journal of which nothing is changed was written for.
pub(super) fn peek(directory: &Path) -> Option<String> {
    let text = fs::read(directory.join(FILE)).ok()?;
    Some(serde_json::from_slice::<Identity>(&text).ok()?.cluster_id)
}

/// Notes the cluster, unless records wait for another.
pub(super) fn bind(directory: &Path, cluster_id: &str, waits: u64) -> Result<()> {
    match read(directory)?.0 {
        Some(noted) if noted == cluster_id => return Ok(()),
        Some(noted) if waits > 0 => return Err(refusal(directory, &noted, cluster_id, waits).into()),
        _ => {}
    }
    let identity = Identity { version: VERSION, cluster_id: cluster_id.to_owned() };
    write_atomic(&directory.join(FILE), &serde_json::to_vec_pretty(&identity)?, 0o600)?;
    sync_directory(directory).with_context(|| format!("syncing {}", directory.display()))
}

fn refusal(directory: &Path, noted: &str, cluster_id: &str, waits: u64) -> Failure {
    let messages = if waits == 1 { "1 message".to_owned() } else { format!("{waits} messages") };
    Failure::Failed {
        cause: format!(
            "{messages} in {} must go to Kafka cluster {noted}, but this is {cluster_id}",
            directory.display()
        ),
        remedy: Remedy::words(
            "run the bridge against the old cluster until the journal is empty, or give the new one a journal of its own \
             with --journal",
        ),
    }
}
