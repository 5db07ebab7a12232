//! The stack for machines that do not run sosstack: files that others apply.
//!
//! Pure functions from the stack to typed documents; [`directory`] and [`secret_file`] alone write.

pub mod bridge;
pub mod compose;
pub mod directory;
pub mod kubernetes;
pub mod secret_file;
pub mod secrets;
mod topics;

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Within the export's directory.
    pub name: String,
    pub contents: String,
}

/// Words of a command, owned.
fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
