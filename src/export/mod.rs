//! The stack for others to run: `Stack` → typed structs → files, written into a directory.

pub mod compose;
pub mod directory;

use std::path::PathBuf;

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Relative to the export's directory.
    pub path: PathBuf,
    pub contents: String,
}
