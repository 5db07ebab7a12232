//! One append-only log: what waits to be written, what is on disk, how far it was delivered.
//!
//! A log knows entries and positions, not what the entries mean. Positions count from 1, without gaps, and are never used
//! twice. One thread writes it (`writer.rs`); readers follow it (`reader.rs`).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::sync::watch;

use super::finding::Finding;
use super::lock::Lock;
use super::recover::{self, Recovered};
use super::segment::{self, Name, Segment};
use super::writer::Writer;
use crate::about::Remedy;

/// Where a log lives.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The lane's, or another word for what the log is of.
    pub(super) name: &'static str,
    pub(super) directory: PathBuf,
    /// Where damaged bytes are copied to.
    pub(super) damaged: PathBuf,
    /// A segment that has so many bytes is not written any more.
    pub(super) segment_bytes: u64,
}

/// An entry on its way to the disk.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) position: u64,
    /// In milliseconds since 1970.
    pub(super) time: i64,
    pub(super) body: Bytes,
}

/// How far a log is written, and what keeps it from being written further.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to this position survives a power cut.
    pub synced: u64,
    /// Why nothing is written at the moment; it is tried again all the time.
    pub problem: Option<Problem>,
    /// The log was closed: what is not synced by now never will be.
    pub is_closed: bool,
}

/// What the disk answered, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub cause: String,
    pub remedy: Option<Remedy>,
}

pub(super) struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) place: Place,
    state: Mutex<State>,
    /// Told of every change: the writer and the readers wait for theirs.
    changed: Condvar,
    pub(super) progress: watch::Sender<Progress>,
}

#[derive(Debug)]
pub(super) struct State {
    /// Not on disk yet, in order.
    pub(super) queue: VecDeque<Entry>,
    /// Of the queue, and of what the writer has taken out of it but not confirmed.
    pub(super) pending_bytes: u64,
    /// The position of the next entry.
    pub(super) next: u64,
    /// In order; the writer writes to the last one, if it made it itself.
    pub(super) segments: VecDeque<Segment>,
    pub(super) delivered: u64,
    pub(super) is_closing: bool,
}

/// What a reader may read of a segment.
#[derive(Debug)]
pub(super) struct View {
    pub(super) path: PathBuf,
    pub(super) name: Name,
    pub(super) salt: u64,
    pub(super) end: u64,
    /// The first position of the next segment.
    pub(super) before: u64,
}

impl Log {
    /// Opens a log and starts its writer, which holds the lock as long as it runs.
    pub(super) fn open(place: Place, lock: Arc<Lock>) -> Result<(Self, Vec<Finding>)> {
        let name = place.name;
        let Recovered { segments, next, delivered, delivered_file, findings } = recover::recover(&place)?;
        let state = State { queue: VecDeque::new(), pending_bytes: 0, next, segments, delivered, is_closing: false };
        let (progress, _) = watch::channel(Progress { synced: next - 1, ..Progress::default() });
        let shared = Arc::new(Shared { place, state: Mutex::new(state), changed: Condvar::new(), progress });
        let writer = Writer::new(Arc::clone(&shared), delivered_file, delivered);
        let writes = move || {
            writer.run();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name(format!("journal-{name}"));
        let writer = thread.spawn(writes).context("starting a thread for the journal")?;
        Ok((Self { shared, writer: Mutex::new(Some(writer)) }, findings))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Queues entries of a time and a body. Never waits; the positions are those of [`Progress::synced`].
    pub(super) fn append(&self, entries: impl IntoIterator<Item = (i64, Bytes)>) -> RangeInclusive<u64> {
        let mut state = self.shared.lock();
        let first = state.next;
        for (time, body) in entries {
            state.pending_bytes += body.len() as u64;
            let position = state.next;
            state.next += 1;
            state.queue.push_back(Entry { position, time, body });
        }
        let last = state.next - 1;
        drop(state);
        self.shared.changed.notify_all();
        first..=last
    }

    /// Everything up to `position` need not be kept any more. What was not appended yet cannot be delivered.
    pub(super) fn delivered(&self, position: u64) {
        let mut state = self.shared.lock();
        let position = position.min(state.next - 1);
        if position > state.delivered {
            state.delivered = position;
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// Ends the writer when it has written what is queued, or cannot. Waits for it.
    pub(super) fn close(&self) {
        self.begin_to_close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }

    pub(super) fn begin_to_close(&self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Log {
    /// A writer that nobody closes would hold the lock for ever.
    fn drop(&mut self) {
        self.begin_to_close();
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What is guarded is changed in single steps: whoever panicked left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for any change, or until `patience` is over.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        patience: Option<std::time::Duration>,
    ) -> MutexGuard<'a, State> {
        match patience {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0,
        }
    }
}

impl State {
    /// The segment at `index`, and how far it may be read.
    pub(super) fn view(&self, index: usize) -> View {
        let segment = &self.segments[index];
        View {
            path: segment.path.clone(),
            name: segment.name,
            salt: segment.salt,
            end: segment.length,
            before: self.segments.get(index + 1).map_or(u64::MAX, Segment::first),
        }
    }

    /// On disk and on the way there.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum::<u64>() + self.pending_bytes
    }

    /// How many entries are not delivered, and since when, as exactly as samples know.
    pub(super) fn waiting(&self) -> (u64, Option<i64>) {
        let count = self.next - 1 - self.delivered;
        let position = self.delivered + 1;
        let on_disk = || {
            let index = segment::of_position(&self.segments, position)?;
            let segment = &self.segments[index];
            (position <= segment.last || index + 1 < self.segments.len()).then(|| segment.time_of(position))?
        };
        let oldest = || on_disk().or_else(|| self.queue.front().map(|entry| entry.time));
        (count, (count > 0).then(oldest).flatten())
    }
}
