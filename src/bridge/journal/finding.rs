//! What was found damaged, and where the bytes went.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::paths::ensure_private_dir;

/// The folder beside the lanes that damaged bytes are copied to.
pub(super) const FOLDER: &str = "damaged";

/// A part of the journal that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    pub file: PathBuf,
    /// Of the first byte, in the file.
    pub offset: u64,
    pub bytes: u64,
    pub kind: Kind,
    /// Records that were there by their numbers; unknown at a log's end.
    pub lost: Option<u64>,
    /// Where the bytes are kept; none where there are none, or they could not be copied.
    pub kept: Option<PathBuf>,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The last entry was not written to its end, as a kill or a power cut leaves it. It was not acknowledged.
    Torn,
    /// A checksum does not fit: the disk, or somebody else, changed what was written.
    Damaged,
    /// A file, or a part of one, is not there any more.
    Missing,
    /// The entry is whole, but not of a kind that this version knows.
    Unknown,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        let (bytes, offset) = (self.bytes, self.offset);
        match self.kind {
            Kind::Torn => {
                write!(f, "{file}: the last entry is incomplete, as after a crash: {bytes} bytes from {offset}")
            }
            Kind::Damaged => write!(f, "{file} is damaged: {bytes} bytes from {offset}"),
            Kind::Missing => write!(f, "{file}: what followed offset {offset} is missing"),
            Kind::Unknown => write!(f, "{file}: this version does not know the entry at offset {offset}"),
        }?;
        match self.lost {
            None | Some(0) => {}
            Some(1) => write!(f, ", 1 message is lost")?,
            Some(lost) => write!(f, ", {lost} messages are lost")?,
        }
        match &self.kept {
            Some(kept) => write!(f, " (a copy is kept: {})", kept.display()),
            None => Ok(()),
        }
    }
}

/// Copies bytes of a segment into `folder`, once: the copy's name says which they were.
///
/// # Errors
/// When the copy cannot be made.
pub(super) fn set_aside(folder: &Path, lane: &str, segment: &Path, range: &Range<u64>) -> io::Result<PathBuf> {
    let name = segment.file_name().unwrap_or_default().to_string_lossy();
    let copy = folder.join(format!("{lane}-{name}-{}", range.start));
    ensure_private_dir(folder).map_err(io::Error::other)?;
    let mut from = File::open(segment)?;
    from.seek(SeekFrom::Start(range.start))?;
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&copy)?;
    io::copy(&mut from.take(range.end - range.start), &mut to)?;
    to.sync_all()?;
    Ok(copy)
}
