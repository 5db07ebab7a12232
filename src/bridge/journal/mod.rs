//! The bridge's journal: what Kafka does not have yet, on disk, so that it may be acknowledged to Mosquitto.
//!
//! One append-only log a lane, so that no lane waits for another; each is written by a thread of its own, which syncs
//! whatever has come meanwhile together. Entries carry checksums, segments go when all of them is delivered.
//!
//! ```text
//! DIR/lock · journal.json · emergencies/ · alerts/ · rest/ · receipts/ · damaged/
//! lane/    00000000000000000001.0.log …  delivered
//! ```
//!
//! # What is promised
//! - What [`Progress::synced`] has reached survives kills and power cuts, and is read until it is delivered.
//! - At least once: after a kill, what was delivered since the writer's thread last looked is read again (about as much as
//!   one sync takes, some milliseconds); after a power cut, what was delivered in the last second or two as well.
//! - A damaged entry costs itself alone: reading goes on at the next whole entry, the damaged bytes are kept in
//!   `damaged/`, and whoever reads is told. Only where both copies of a segment's header are gone the segment is lost.
//!
//! # Why not a crate
//! Those that were looked at do one half. okaywal groups syncs, but is one log with checkpoints: a lane cannot be delivered
//! while another waits, and recovery ends at the first damaged entry. yaque and commitlog keep their place or sync by the
//! caller's word only, and have no checksums that recovery acts on. fjall, sled and raft-engine bring a store with
//! compaction for what is a queue, and theirs too give up, or drop the rest, at damage in the middle. The checksum is
//! crc32fast's, the lock the system's.

mod codec;
#[cfg(test)]
mod crash_tests;
mod cursor;
#[cfg(test)]
mod damage_tests;
mod finding;
mod frame;
mod identity;
mod inspect;
mod lock;
mod log;
mod position;
mod reader;
mod receipts;
mod recover;
mod removal;
mod room;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use bytes::BytesMut;
use tokio::sync::watch;

pub use finding::{Finding, Kind};
pub use inspect::{Inspection, Waiting, inspect};
pub use lock::{Lock, holder};
pub use reader::{Read, Reader, next_of};
pub use receipts::{Digest, Receipts};
pub use removal::{removable, remove};
pub use room::{Room, default_limit};
pub use state::{Problem, Progress};

use self::log::Log;
use self::state::{Place, synced};
use super::record::{Lane, Record};

/// The largest a segment gets before the next is begun.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Segments are smaller where the limit is: what is delivered in those that are not yet removed counts.
const SEGMENTS: u64 = 64;
const SMALLEST_SEGMENT: u64 = 64 << 10;

/// How a journal is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The most bytes on disk; none for [`default_limit`].
    pub max_bytes: Option<u64>,
    /// The Kafka cluster that the records are for; none where it does not answer yet: [`Journal::bind`] says it later.
    pub cluster_id: Option<String>,
}

/// What was there when a journal was opened.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// What could not be read. It is set aside and has to be reported. Damage among the waiting records is told by the
    /// reader that gets there.
    pub findings: Vec<Finding>,
    /// The cluster that the waiting records are for, if it is known.
    pub cluster_id: Option<String>,
}

/// An open journal. Clones are the same journal; it is closed by [`Journal::close`], or when the last one is dropped.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    lanes: [Log; Lane::ALL.len()],
    receipts: Receipts,
    limit: u64,
    directory: PathBuf,
    _lock: Arc<Lock>,
}

/// How much a journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// On disk and on the way there, in all lanes and receipts.
    pub bytes: u64,
    pub limit: u64,
    /// The most urgent lane first.
    pub lanes: [LaneUsage; Lane::ALL.len()],
}

/// How much waits in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneUsage {
    pub lane: Lane,
    /// Records that are not delivered.
    pub records: u64,
    /// Bytes of all of its segments, delivered ones included, and of what is on the way there.
    pub bytes: u64,
    /// Of these, bytes in memory that are not synced: whoever appends stops when there are too many.
    pub pending_bytes: u64,
    /// The receipt of the oldest record that waits, in milliseconds since 1970; at most 1,000 records too early.
    pub oldest: Option<i64>,
}

impl Usage {
    pub fn room(&self) -> Room {
        Room::of(self.bytes, self.limit)
    }
}

impl Journal {
    /// Opens the journal of a lock. Reads and writes files: not for a task of tokio's.
    ///
    /// # Errors
    /// A [`crate::failure::Failure`] when records wait for another cluster or were written by a newer version, or when
    /// the disk is full or not writable.
    pub fn open(lock: Lock, options: &Options) -> Result<(Self, Opened)> {
        let directory = lock.directory().to_owned();
        Self::open_in(lock, options).map_err(|error| trouble::explain(error, &directory))
    }

    fn open_in(lock: Lock, options: &Options) -> Result<(Self, Opened)> {
        let directory = lock.directory().to_owned();
        let lock = Arc::new(lock);
        let limit = match options.max_bytes {
            Some(limit) => limit,
            None => default_limit(&directory, crate::paths::size(&directory))?,
        };
        let mut opened = Opened::default();
        let segment_bytes = (limit / SEGMENTS).clamp(SMALLEST_SEGMENT, SEGMENT_BYTES);
        let place = |name| Place {
            name,
            directory: directory.join(name),
            damaged: directory.join(finding::FOLDER),
            segment_bytes,
        };
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let (log, findings) = Log::open(place(lane.as_str()), Arc::clone(&lock))?;
            opened.findings.extend(findings);
            lanes.push(log);
        }
        let (receipts, findings) = Receipts::open(place(receipts::FOLDER), Arc::clone(&lock))?;
        opened.findings.extend(findings);
        let lanes = <[Log; Lane::ALL.len()]>::try_from(lanes).map_err(|_| anyhow!("one log a lane"))?;
        let journal = Self { inner: Arc::new(Inner { lanes, receipts, limit, directory, _lock: lock }) };
        let (cluster_id, finding) = identity::read(&journal.inner.directory)?;
        opened.findings.extend(finding);
        opened.cluster_id = cluster_id;
        if let Some(cluster_id) = &options.cluster_id {
            journal.bind(cluster_id)?;
        }
        Ok((journal, opened))
    }

    /// Notes the cluster that the records are for, or sees that it is the same. To be called before anything is delivered,
    /// unless [`Options::cluster_id`] was given.
    ///
    /// # Errors
    /// A [`crate::failure::Failure`] when records wait for another cluster.
    pub fn bind(&self, cluster_id: &str) -> Result<()> {
        let waits = Lane::ALL.iter().map(|lane| self.log(*lane).shared().lock().waiting().0).sum();
        identity::bind(&self.inner.directory, cluster_id, waits)
    }

    /// Queues records of one lane and says their positions. Never waits. They may be acknowledged when
    /// [`Progress::synced`] has reached them. It takes more than the limit: whoever appends asks [`Journal::usage`].
    pub fn append(&self, lane: Lane, records: &[Record]) -> RangeInclusive<u64> {
        let mut bytes = BytesMut::with_capacity(records.iter().map(codec::encoded_len).sum());
        let entries: Vec<_> = records
            .iter()
            .map(|record| {
                codec::encode(&mut bytes, record);
                (record.time, bytes.split().freeze())
            })
            .collect();
        self.log(lane).append(entries)
    }

    /// How far a lane is synced, and what stands in the way; changes as it happens.
    pub fn progress(&self, lane: Lane) -> watch::Receiver<Progress> {
        self.log(lane).shared().progress.subscribe()
    }

    /// Waits until a lane is synced up to `position`, through any trouble of the disk. Cancel-safe.
    ///
    /// # Errors
    /// When the journal is closed before.
    pub async fn synced(&self, lane: Lane, position: u64) -> Result<()> {
        synced(self.progress(lane), position).await
    }

    /// Reads a lane from the first record that is not delivered.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn reader(&self, lane: Lane) -> Result<Reader> {
        Reader::start(self.log(lane).shared(), lane)
    }

    /// Kafka has everything of a lane up to `position`, or dead letters have it. Never waits.
    pub fn delivered(&self, lane: Lane, position: u64) {
        self.log(lane).delivered(position);
    }

    pub fn usage(&self) -> Usage {
        let lanes = Lane::ALL.map(|lane| {
            let state = self.log(lane).shared().lock();
            let (records, oldest) = state.waiting();
            LaneUsage { lane, records, bytes: state.bytes(), pending_bytes: state.pending_bytes, oldest }
        });
        let bytes = lanes.iter().map(|lane| lane.bytes).sum::<u64>() + self.inner.receipts.bytes();
        Usage { bytes, limit: self.inner.limit, lanes }
    }

    /// What must be known of QoS 2 after a kill.
    pub fn receipts(&self) -> &Receipts {
        &self.inner.receipts
    }

    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Writes what is queued, unless the disk refuses, and ends the threads. Blocks: not for a task of tokio's. The lock
    /// goes with the last clone.
    pub fn close(&self) {
        for log in &self.inner.lanes {
            log.begin_to_close();
        }
        for log in &self.inner.lanes {
            log.close();
        }
        self.inner.receipts.close();
    }

    fn log(&self, lane: Lane) -> &Log {
        &self.inner.lanes[lane as usize]
    }
}
