//! What a journal holds, read without its lock: a bridge may be writing it meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::codec::Decoder;
use super::cursor::{Cursor, Step};
use super::finding::{self, Finding, Kind};
use super::frame::{SEGMENT_HEADER, VERSION};
use super::recover::kind_of_end;
use super::segment::{self, Name};
use super::{holder, identity, position, trouble};
use crate::about::Remedy;
use crate::bridge::record::{Lane, Record};
use crate::failure::Failure;

/// A journal at one moment; `sosstack bridge journal inspect --output json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Inspection {
    pub directory: PathBuf,
    /// The process id of the bridge that writes it now.
    pub written_by: Option<String>,
    /// The Kafka cluster that the records are for.
    pub cluster_id: Option<String>,
    /// Of all files.
    pub bytes: u64,
    pub messages: u64,
    /// What waits: one a lane and topic, the most urgent lane first.
    pub waiting: Vec<Waiting>,
    /// What cannot be read.
    pub damaged: Vec<Finding>,
    /// Copies of what could not be read earlier.
    pub set_aside: Vec<PathBuf>,
}

/// The records of one lane for one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Waiting {
    pub lane: &'static str,
    pub topic: String,
    pub messages: u64,
    /// Of the entries on disk.
    pub bytes: u64,
    /// The receipt of the oldest.
    #[schemars(with = "String")]
    pub oldest: Timestamp,
}

/// Reads a journal through. Takes no lock and changes nothing; memory does not grow with what waits.
///
/// # Errors
/// [`Failure::Failed`] where there is no journal or it cannot be read.
pub fn inspect(directory: &Path) -> Result<Inspection> {
    if !directory.is_dir() {
        return Err(Failure::Failed {
            cause: format!("there is no journal in {}", directory.display()),
            remedy: Remedy::words("name another directory with --journal"),
        }
        .into());
    }
    read(directory).map_err(|error| trouble::explain(error, directory))
}

fn read(directory: &Path) -> Result<Inspection> {
    let written_by = holder(directory);
    let mut damaged = Vec::new();
    let mut waiting = Vec::new();
    for lane in Lane::ALL {
        let mut of_lane = OfLane { lane, is_written: written_by.is_some(), topics: BTreeMap::new(), damaged: vec![] };
        let folder = directory.join(lane.as_str());
        of_lane.read(&folder).with_context(|| format!("reading {}", folder.display()))?;
        waiting.extend(of_lane.topics.into_values());
        damaged.extend(of_lane.damaged);
    }
    Ok(Inspection {
        directory: directory.to_owned(),
        written_by,
        cluster_id: identity::peek(directory),
        bytes: crate::paths::size(directory),
        messages: waiting.iter().map(|waiting| waiting.messages).sum(),
        waiting,
        damaged,
        set_aside: crate::paths::children(&directory.join(finding::FOLDER)),
    })
}

struct OfLane {
    lane: Lane,
    /// Whether a bridge may be in the midst of writing the last segment.
    is_written: bool,
    topics: BTreeMap<Arc<str>, Waiting>,
    damaged: Vec<Finding>,
}

/// A segment on the way through a lane.
struct Part<'a> {
    path: &'a Path,
    name: Name,
    /// The first position of the next segment; none for the last.
    before: Option<u64>,
}

impl OfLane {
    fn read(&mut self, folder: &Path) -> io::Result<()> {
        // First of all: what is delivered meanwhile may go while this reads.
        let delivered = position::peek(folder)?;
        let segments = match segment::list(folder) {
            Ok(segments) => segments,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut decoder = Decoder::default();
        for (at, (name, path)) in segments.iter().enumerate() {
            let before = segments.get(at + 1).map(|(name, _)| name.first);
            if before.is_some_and(|before| before <= delivered + 1) {
                continue;
            }
            let part = Part { path, name: *name, before };
            match self.read_segment(&part, delivered, &mut decoder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn read_segment(&mut self, part: &Part<'_>, delivered: u64, decoder: &mut Decoder) -> io::Result<()> {
        let path = part.path;
        let (header, length) = segment::read_header(path)?;
        let known = header.filter(|header| header.version <= VERSION && header.first == part.name.first);
        let Some(header) = known else {
            if !(self.is_written && length < SEGMENT_HEADER as u64) {
                self.damaged.push(whole(path, length, header.map_or(Kind::Damaged, |_| Kind::Unknown)));
            }
            return Ok(());
        };
        let mut cursor = Cursor::new(File::open(path)?, header.salt, part.name.first);
        cursor.limit(length, part.before.unwrap_or(u64::MAX));
        loop {
            let from = cursor.offset();
            match cursor.step()? {
                Step::Entry { position, .. } if position <= delivered => {}
                Step::Entry { body, .. } => match decoder.decode(self.lane, body) {
                    Some(record) => self.count(&record, cursor.offset() - from),
                    None => self.damaged.push(found(path, from, cursor.offset(), Kind::Unknown, Some(1))),
                },
                Step::Damaged(range) if range.end == length && part.before.is_none() => {
                    // An entry that a bridge is still writing is not damage.
                    if !self.is_written {
                        let kind = kind_of_end(&cursor, &range)?;
                        self.damaged.push(found(path, range.start, range.end, kind, None));
                    }
                    return Ok(());
                }
                Step::Damaged(range) => {
                    let next = cursor.peek_position()?.or(part.before);
                    let lost = next.map(|next| next.saturating_sub(cursor.last() + 1));
                    self.damaged.push(found(path, range.start, range.end, Kind::Damaged, lost));
                }
                Step::End => return Ok(()),
            }
        }
    }

    fn count(&mut self, record: &Record, bytes: u64) {
        let time = Timestamp::from_millisecond(record.time).unwrap_or_default();
        let waiting = self.topics.entry(Arc::clone(&record.topic)).or_insert_with(|| Waiting {
            lane: self.lane.as_str(),
            topic: record.topic.to_string(),
            messages: 0,
            bytes: 0,
            oldest: time,
        });
        waiting.messages += 1;
        waiting.bytes += bytes;
        waiting.oldest = waiting.oldest.min(time);
    }
}

fn found(path: &Path, from: u64, to: u64, kind: Kind, lost: Option<u64>) -> Finding {
    Finding { file: path.to_owned(), offset: from, bytes: to - from, kind, lost, kept: None }
}

fn whole(path: &Path, length: u64, kind: Kind) -> Finding {
    found(path, 0, length, kind, None)
}
