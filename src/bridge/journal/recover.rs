//! What a log finds when it is opened: segments of an earlier process, whole or as a crash left them.
//!
//! Only the last segment is read through: a crash leaves no other one torn. What the disk damaged elsewhere is found when
//! it is read. No old segment is written again; the first append begins a new one.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::codec;
use super::cursor::{Cursor, Step};
use super::finding::{Finding, Kind, set_aside};
use super::frame::{ENTRY_HEADER, EntryHeader, SEGMENT_HEADER, VERSION};
use super::position::Delivered;
use super::segment::{self, Name, Segment, sync_directory};
use super::state::Place;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::paths::ensure_private_dir;

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segments: VecDeque<Segment>,
    /// The position of the next entry.
    pub(super) next: u64,
    pub(super) delivered: u64,
    pub(super) delivered_file: Delivered,
    pub(super) findings: Vec<Finding>,
}

pub(super) fn recover(place: &Place) -> Result<Recovered> {
    let directory = &place.directory;
    ensure_private_dir(directory)?;
    directory.parent().map_or(Ok(()), sync_directory).context("syncing the journal's directory")?;
    let (mut delivered_file, delivered) =
        Delivered::open(directory).with_context(|| format!("opening {}", directory.display()))?;
    let mut findings = Vec::new();
    let mut segments = VecDeque::new();
    let mut next = delivered + 1;
    for (name, path) in segment::list(directory).with_context(|| format!("reading {}", directory.display()))? {
        next = next.max(name.first);
        let reading = || format!("reading {}", path.display());
        match open_segment(place, name, &path).with_context(reading)? {
            Ok(segment) => segments.push_back(segment),
            Err(finding) => findings.push(finding),
        }
    }
    // A position is kept late; segments go only when all of them is delivered.
    let delivered = segments.front().map_or(delivered, |segment: &Segment| delivered.max(segment.first() - 1));
    delivered_file.write(delivered).with_context(|| format!("writing to {}", directory.display()))?;
    if let Some(last) = segments.back_mut() {
        let path = last.path.clone();
        findings.extend(scan_last(place, last).with_context(|| format!("reading {}", path.display()))?);
        next = next.max(last.last + 1);
    }
    sample_oldest(&mut segments, delivered);
    Ok(Recovered { segments, next, delivered, delivered_file, findings })
}

/// The segment, or what there is instead of one, which is moved aside.
fn open_segment(place: &Place, name: Name, path: &Path) -> Result<Result<Segment, Finding>> {
    let (header, length) = segment::read_header(path)?;
    match header {
        Some(header) if header.version > VERSION => Err(newer(path, header.version)),
        Some(header) if header.first == name.first => Ok(Ok(Segment::found(path.to_owned(), name, header, length))),
        _ => {
            // A header is on disk before anything is acknowledged: a short file is one that was just being made.
            let kind = if length < SEGMENT_HEADER as u64 { Kind::Torn } else { Kind::Damaged };
            let kept = move_aside(place, path)?;
            Ok(Err(Finding { file: path.to_owned(), offset: 0, bytes: length, kind, lost: None, kept: Some(kept) }))
        }
    }
}

fn newer(path: &Path, version: u32) -> anyhow::Error {
    Failure::Failed {
        cause: format!("{} has layout {version}; this version knows layouts up to {VERSION}", path.display()),
        remedy: Remedy::words("deliver its messages with the newer version that wrote it"),
    }
    .into()
}

fn move_aside(place: &Place, path: &Path) -> io::Result<PathBuf> {
    ensure_private_dir(&place.damaged).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = place.damaged.join(format!("{}-{name}", place.name));
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Reads the last segment through and cuts off what follows its last whole entry. Damage before that is told by whoever
/// reads it, as in other segments.
fn scan_last(place: &Place, segment: &mut Segment) -> io::Result<Option<Finding>> {
    let file = File::open(&segment.path)?;
    // What an earlier process wrote and did not sync counts as written from here on.
    file.sync_data()?;
    let mut cursor = Cursor::new(file, segment.salt, segment.first());
    cursor.limit(segment.length, u64::MAX);
    loop {
        match cursor.step()? {
            Step::Entry { position, body } => segment.note(position, codec::time(&body)),
            Step::Damaged(range) if range.end < segment.length => {}
            Step::Damaged(range) => return cut(place, segment, &cursor, &range).map(Some),
            Step::End => return Ok(None),
        }
    }
}

/// Sets the end of a file aside and cuts it off, as far as the disk lets it: nothing depends on it, as new entries go to
/// a new segment.
fn cut(place: &Place, segment: &mut Segment, cursor: &Cursor, range: &Range<u64>) -> io::Result<Finding> {
    let kind = kind_of_end(cursor, range)?;
    let finding = damaged(place, &segment.path, range, kind, None);
    segment.length = range.start;
    if finding.kept.is_some() {
        let _ = OpenOptions::new().write(true).open(&segment.path).and_then(|file| {
            file.set_len(range.start)?;
            file.sync_all()
        });
    }
    Ok(finding)
}

/// Whether the end of a segment looks as a crash leaves it, or as something else does.
pub(super) fn kind_of_end(cursor: &Cursor, range: &Range<u64>) -> io::Result<Kind> {
    let length = range.end - range.start;
    if length < ENTRY_HEADER as u64 {
        return Ok(Kind::Torn);
    }
    let mut bytes = [0; ENTRY_HEADER];
    cursor.file().read_exact_at(&mut bytes, range.start)?;
    let header = EntryHeader::from_bytes(&bytes);
    let is_cut_off = header.position == cursor.last() + 1 && (ENTRY_HEADER + header.length) as u64 > length;
    // A file system may have given the file its length before its contents.
    let is_empty = bytes == [0; ENTRY_HEADER];
    Ok(if is_cut_off || is_empty { Kind::Torn } else { Kind::Damaged })
}

/// A finding about bytes that are copied aside, if that can be done.
pub(super) fn damaged(place: &Place, file: &Path, range: &Range<u64>, kind: Kind, lost: Option<u64>) -> Finding {
    let kept = set_aside(&place.damaged, place.name, file, range).ok();
    Finding { file: file.to_owned(), offset: range.start, bytes: range.end - range.start, kind, lost, kept }
}

/// Reads the times of the segment with the oldest entry that waits, as far as it can be read.
fn sample_oldest(segments: &mut VecDeque<Segment>, delivered: u64) {
    let Some(index) = segment::of_position(segments, delivered + 1).filter(|index| index + 1 < segments.len()) else {
        return;
    };
    let before = segments[index + 1].first();
    let oldest = &mut segments[index];
    let Ok(file) = File::open(&oldest.path) else { return };
    let mut cursor = Cursor::new(file, oldest.salt, oldest.first());
    cursor.limit(oldest.length, before);
    while let Ok(step @ (Step::Entry { .. } | Step::Damaged(_))) = cursor.step() {
        if let Step::Entry { position, body } = step {
            oldest.note(position, codec::time(&body));
            if position > delivered {
                return;
            }
        }
    }
}
