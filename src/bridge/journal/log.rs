//! One append-only log: what waits to be written, what is on disk, how far it was delivered.
//!
//! A log knows entries and positions, not what the entries mean. Positions count from 1, without gaps, and are never used
//! twice. One thread writes it (`writer.rs`); readers follow it (`reader.rs`).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use bytes::Bytes;

use super::finding::Finding;
use super::lock::Lock;
use super::recover::{self, Recovered};
use super::state::{Entry, Place, Shared, State};
use super::writer::Writer;

pub(super) struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens a log and starts its writer, which holds the lock as long as it runs.
    pub(super) fn open(place: Place, lock: Arc<Lock>) -> Result<(Self, Vec<Finding>)> {
        let name = place.name;
        let Recovered { segments, next, delivered, delivered_file, findings } = recover::recover(&place)?;
        let state = State { queue: VecDeque::new(), pending_bytes: 0, next, segments, delivered, is_closing: false };
        let shared = Arc::new(Shared::new(place, state));
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

    /// Queues entries of a time and a body. Never waits; the positions are those of [`super::Progress::synced`].
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
        self.shared.notify();
        first..=last
    }

    /// Everything up to `position` need not be kept any more. What was not appended yet cannot be delivered.
    pub(super) fn delivered(&self, position: u64) {
        let mut state = self.shared.lock();
        let position = position.min(state.next - 1);
        if position > state.delivered {
            state.delivered = position;
            drop(state);
            self.shared.notify();
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
        self.shared.notify();
    }
}

impl Drop for Log {
    /// A writer that nobody closes would hold the lock for ever.
    fn drop(&mut self) {
        self.begin_to_close();
    }
}
