//! The files of a log: each holds the entries from one position to the next file's first.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::frame::{SEGMENT_HEADER, SegmentHeader, VERSION};

/// A time is kept for each of so many entries, so that the age of what waits is known without reading.
const SAMPLE: u64 = 1_000;

/// A segment on disk.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) name: Name,
    pub(super) salt: u64,
    /// Bytes from the file's beginning that hold whole entries.
    pub(super) length: u64,
    /// The position of the last entry in them; one before the first where there is none.
    pub(super) last: u64,
    /// Position and time of some entries, ascending.
    samples: Vec<(u64, i64)>,
}

/// Segments sort by name: by first position, and the one that was begun later last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) first: u64,
    /// Not 0 where an earlier one with this first position holds nothing that counts.
    pub(super) attempt: u32,
}

impl Name {
    fn file_name(self) -> String {
        format!("{:020}.{}.log", self.first, self.attempt)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".log")?.split('.');
        let name = Self { first: parts.next()?.parse().ok()?, attempt: parts.next()?.parse().ok()? };
        parts.next().is_none().then_some(name)
    }
}

impl Segment {
    /// Makes an empty segment. It is there after a power cut too when this returns.
    pub(super) fn create(directory: &Path, first: u64, now: i64) -> io::Result<(Self, File)> {
        let mut name = Name { first, attempt: 0 };
        let (path, mut file) = loop {
            let path = directory.join(name.file_name());
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => name.attempt += 1,
                Err(error) => return Err(error),
            }
        };
        let salt = salt()?;
        let header = SegmentHeader { version: VERSION, salt, first, made_at: now };
        let made =
            file.write_all(&header.to_bytes()).and_then(|()| file.sync_all()).and_then(|()| sync_directory(directory));
        if let Err(error) = made {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let segment = Self {
            path,
            name,
            salt,
            length: SEGMENT_HEADER as u64,
            last: first.saturating_sub(1),
            samples: vec![(first, now)],
        };
        Ok((segment, file))
    }

    /// A segment that was found, as long as its file is.
    pub(super) fn found(path: PathBuf, name: Name, header: SegmentHeader, length: u64) -> Self {
        let last = name.first.saturating_sub(1);
        Self { path, name, salt: header.salt, length, last, samples: vec![(name.first, header.made_at)] }
    }

    pub(super) fn first(&self) -> u64 {
        self.name.first
    }

    /// Notes an entry that was written or read.
    pub(super) fn note(&mut self, position: u64, time: i64) {
        self.last = self.last.max(position);
        let (newest, _) = self.samples.last().copied().unwrap_or_default();
        match position.cmp(&newest) {
            Ordering::Equal => *self.samples.last_mut().expect("it was just seen") = (position, time),
            Ordering::Greater if position - newest >= SAMPLE => self.samples.push((position, time)),
            _ => {}
        }
    }

    /// The time of the newest sampled entry that is not after `position`.
    pub(super) fn time_of(&self, position: u64) -> Option<i64> {
        let after = self.samples.partition_point(|(sampled, _)| *sampled <= position);
        self.samples.get(after.saturating_sub(1)).map(|(_, time)| *time)
    }
}

/// The segments of a directory by name, in order; other files are left out.
pub(super) fn list(directory: &Path) -> io::Result<Vec<(Name, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// A segment's header, if one of its two copies is whole, and how long the file is.
pub(super) fn read_header(path: &Path) -> io::Result<(Option<SegmentHeader>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(length.min(SEGMENT_HEADER as u64)).expect("two headers at most")];
    file.read_exact_at(&mut bytes, 0)?;
    Ok((SegmentHeader::from_bytes(&bytes), length))
}

/// What holds for the position that is asked for: the last segment that begins at or before it.
pub(super) fn of_position(segments: &VecDeque<Segment>, position: u64) -> Option<usize> {
    segments.partition_point(|segment| segment.first() <= position).checked_sub(1)
}

/// Makes what was created in a directory outlive a power cut.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn salt() -> io::Result<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(u64::from_le_bytes(bytes))
}
