//! Files and directories of a stack of plain processes.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::paths::{ensure_private_dir, write_atomic};
use crate::workload::ConfigFile;

pub(super) fn write_files(files: &[ConfigFile]) -> Result<()> {
    for file in files {
        if let Some(parent) = file.path.parent() {
            ensure_private_dir(parent)?;
        }
        let mode = if file.secret { 0o600 } else { 0o644 };
        write_atomic(&file.path, file.contents.as_bytes(), mode)?;
    }
    Ok(())
}

/// Names in a directory, sorted; none where there is no directory.
pub(super) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// That something to be removed is not there is fine.
pub(super) fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
