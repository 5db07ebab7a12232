//! The thread that writes a log: what has come since the last sync is written and synced together.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{ENTRY_HEADER, SEGMENT_HEADER, push_entry};
use super::position::Delivered;
use super::segment::Segment;
use super::state::{Entry, Problem, Shared};
use super::trouble;
use crate::message::now;

/// The most that is synced at once: the first of a group waits for the last.
const GROUP_BYTES: usize = 4 << 20;
/// How long after a refusal the disk is asked again.
const RETRY: Duration = Duration::from_millis(200);
/// A delivered position is synced so often. It is written at once, and a kill does not lose it.
const DELIVERED_SYNC: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Taken out of the queue, and kept until the disk has it.
    group: Vec<Entry>,
    is_failing: bool,
    delivered_file: Delivered,
    delivered: u64,
    /// When the delivered position has to be synced; none where it is.
    sync_delivered: Option<Instant>,
}

/// The segment that this process writes.
struct Active {
    file: File,
    salt: u64,
    /// What is confirmed; whatever the file has beyond does not count.
    length: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, delivered_file: Delivered, delivered: u64) -> Self {
        let sync_delivered = None;
        Self { shared, active: None, group: Vec::new(), is_failing: false, delivered_file, delivered, sync_delivered }
    }

    /// Writes until the log is closed.
    pub(super) fn run(mut self) {
        loop {
            let (delivered, is_closing) = self.wait();
            if !self.group.is_empty() {
                self.write_group();
            }
            self.note_delivered(delivered);
            if is_closing && (self.is_failing || self.shared.lock().queue.is_empty()) {
                let _ = self.delivered_file.sync();
                self.shared.progress.send_modify(|progress| progress.is_closed = true);
                self.shared.notify();
                return;
            }
        }
    }

    /// Waits for something to do, and takes a group out of the queue unless there is one that could not be written.
    fn wait(&mut self) -> (u64, bool) {
        let mut state = self.shared.lock();
        let deadline = match (self.is_failing, self.sync_delivered) {
            (true, _) => Some(Instant::now() + RETRY),
            (false, deadline) => deadline,
        };
        loop {
            let has_news = state.delivered > self.delivered || state.is_closing;
            let has_work = !self.is_failing && !state.queue.is_empty();
            let patience = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if has_news || has_work || patience == Some(Duration::ZERO) {
                break;
            }
            state = self.shared.wait(state, patience);
        }
        if self.group.is_empty() {
            let mut bytes = 0;
            while bytes < GROUP_BYTES {
                let Some(entry) = state.queue.pop_front() else { break };
                bytes += ENTRY_HEADER + entry.body.len();
                self.group.push(entry);
            }
        }
        (state.delivered, state.is_closing)
    }

    fn write_group(&mut self) {
        // What failed in one segment may succeed in a fresh one.
        let written = self.write().or_else(|_| self.write());
        self.is_failing = written.is_err();
        let problem = written.err().map(|error| {
            let directory = &self.shared.place.directory;
            let cause = format!("the journal cannot be written in {}: {error}", directory.display());
            Problem { cause, remedy: trouble::remedy(&error, directory) }
        });
        let synced = if problem.is_none() { self.confirm() } else { None };
        self.shared.progress.send_if_modified(|progress| {
            let before = progress.clone();
            progress.synced = synced.unwrap_or(progress.synced);
            progress.problem = problem;
            before != *progress
        });
        self.shared.notify();
    }

    /// Brings the group to the disk. After an error nothing of it counts, whatever was written.
    fn write(&mut self) -> io::Result<()> {
        let active = self.active_segment()?;
        let mut bytes = Vec::with_capacity(self.group.iter().map(|entry| ENTRY_HEADER + entry.body.len()).sum());
        for entry in &self.group {
            push_entry(&mut bytes, active.salt, entry.position, &entry.body);
        }
        let written = active.file.write_all_at(&bytes, active.length);
        let result = match written {
            Ok(()) => active.file.sync_data(),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // Another segment would need more room, and nothing is wrong with this one.
                let _ = active.file.set_len(active.length);
                self.active = Some(active);
                return Err(error);
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            // After a failed sync the system takes the pages for clean, although the disk does not have them: this file
            // is never written again, and the group goes to another one.
            let _ = active.file.set_len(active.length);
            self.abandon(&active);
            return Err(error);
        }
        self.active = Some(Active { length: active.length + bytes.len() as u64, ..active });
        Ok(())
    }

    /// The segment to write to, taken out of `self` until it is known to be good.
    fn active_segment(&mut self) -> io::Result<Active> {
        match self.active.take() {
            Some(active) if active.length < self.shared.place.segment_bytes => Ok(active),
            _ => self.begin_segment(self.group[0].position),
        }
    }

    fn begin_segment(&self, first: u64) -> io::Result<Active> {
        let (segment, file) = Segment::create(&self.shared.place.directory, first, now())?;
        let active = Active { file, salt: segment.salt, length: segment.length };
        self.shared.lock().segments.push_back(segment);
        Ok(active)
    }

    /// Leaves a segment. One of which nothing counts goes.
    fn abandon(&self, active: &Active) {
        if active.length > SEGMENT_HEADER as u64 {
            return;
        }
        if let Some(segment) = self.shared.lock().segments.pop_back() {
            let _ = fs::remove_file(segment.path);
        }
    }

    /// Lets readers see the group. The last position of it.
    fn confirm(&mut self) -> Option<u64> {
        let length = self.active.as_ref().map(|active| active.length)?;
        let synced = self.group.last()?.position;
        let mut state = self.shared.lock();
        state.pending_bytes -= self.group.iter().map(|entry| entry.body.len() as u64).sum::<u64>();
        let segment = state.segments.back_mut()?;
        segment.length = length;
        for entry in &self.group {
            segment.note(entry.position, entry.time);
        }
        self.group.clear();
        Some(synced)
    }

    /// Keeps the delivered position, and removes the segments that nobody needs.
    fn note_delivered(&mut self, delivered: u64) {
        if delivered > self.delivered {
            self.delivered = delivered;
            // One that is not kept means that some is delivered again.
            let _ = self.delivered_file.write(delivered);
            self.sync_delivered.get_or_insert(Instant::now() + DELIVERED_SYNC);
            self.reclaim();
        }
        if self.sync_delivered.is_some_and(|deadline| deadline <= Instant::now()) {
            let _ = self.delivered_file.sync();
            self.sync_delivered = None;
        }
    }

    fn reclaim(&mut self) {
        self.leave_if_delivered();
        let mut state = self.shared.lock();
        let mut removed = Vec::new();
        while state.segments.get(1).is_some_and(|following| following.first() - 1 <= self.delivered) {
            removed.extend(state.segments.pop_front());
        }
        drop(state);
        for segment in removed {
            // One that stays is found delivered when the log is opened again.
            let _ = fs::remove_file(segment.path);
        }
    }

    /// Begins a new segment where all of a large one is delivered. Without any the next process would count from 1 again.
    fn leave_if_delivered(&mut self) {
        let next = {
            let state = self.shared.lock();
            let is_worth_it = state
                .segments
                .back()
                .is_some_and(|last| last.length - SEGMENT_HEADER as u64 >= self.shared.place.segment_bytes / 4);
            let is_all_written = state.queue.is_empty() && self.group.is_empty();
            let is_all_delivered = is_all_written && state.next - 1 == self.delivered;
            (is_worth_it && is_all_delivered).then_some(state.next)
        };
        if let Some(Ok(active)) = next.map(|next| self.begin_segment(next)) {
            self.active = Some(active);
        }
    }
}
