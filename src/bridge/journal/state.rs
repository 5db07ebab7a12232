//! What a log's writer and its readers share: what waits, what is on disk, how far it was delivered.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use tokio::sync::watch;

use super::segment::{self, Name, Segment};
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

impl Shared {
    pub(super) fn new(place: Place, state: State) -> Self {
        let (progress, _) = watch::channel(Progress { synced: state.next - 1, ..Progress::default() });
        Self { place, state: Mutex::new(state), changed: Condvar::new(), progress }
    }

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

/// Waits until `position` is synced, through any trouble of the disk. Cancel-safe.
///
/// # Errors
/// When the log is closed before.
pub(super) async fn synced(mut progress: watch::Receiver<Progress>, position: u64) -> Result<()> {
    let reached = |progress: &Progress| progress.synced >= position || progress.is_closed;
    let progress = progress.wait_for(reached).await?;
    if progress.synced >= position { Ok(()) } else { Err(anyhow!("the journal was closed before it was synced")) }
}
