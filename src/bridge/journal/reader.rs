//! Following one lane from the first record that is not delivered, in order, in blocks.
//!
//! A thread of its own reads, so that a slow disk holds up nothing else and the future can be dropped at any time. It
//! holds a few batches at most, however many records wait.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::codec::Decoder;
use super::cursor::{Cursor, Step};
use super::finding::{Finding, Kind};
use super::recover::damaged;
use super::segment::{self, Name};
use super::state::{Shared, View};
use crate::bridge::record::{Lane, Record};

/// A batch is handed over when it has so many bytes of bodies, or when nothing more is on disk.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that wait for the consumer; one more is being read.
const AHEAD: usize = 2;
/// How often a reader that waits looks whether its consumer is still there.
const LOOK: Duration = Duration::from_millis(500);

/// What a reader comes upon.
#[derive(Debug)]
pub enum Read {
    /// Records that are synced, with their positions, in order.
    Records(Vec<(u64, Record)>),
    /// Something between the records before and those that follow could not be read.
    Damaged(Finding),
}

/// Reads one lane; see [`super::Journal::reader`].
#[derive(Debug)]
pub struct Reader {
    reads: mpsc::Receiver<Result<Read>>,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn start(shared: &Arc<Shared>, lane: Lane) -> Result<Self> {
        let (sender, reads) = mpsc::channel(AHEAD);
        let next = shared.lock().delivered + 1;
        let thread =
            Follower { shared: Arc::clone(shared), lane, next, open: None, decoder: Decoder::default(), sender };
        std::thread::Builder::new()
            .name(format!("read-{}", lane.as_str()))
            .spawn(move || thread.run())
            .context("starting a thread to read the journal")?;
        Ok(Self { reads, shared: Arc::clone(shared) })
    }

    /// Waits for what comes next. None when the journal is closed. Cancel-safe. After an error nothing more comes: a new
    /// reader begins again after what was delivered.
    pub async fn next(&mut self) -> Option<Result<Read>> {
        self.reads.recv().await
    }

    /// As [`Reader::next`], for a thread.
    ///
    /// # Panics
    /// In a task of tokio's.
    pub fn blocking_next(&mut self) -> Option<Result<Read>> {
        self.reads.blocking_recv()
    }
}

/// What a reader reads next; never comes where there is none. Cancel-safe.
pub async fn next_of(reader: Option<&mut Reader>) -> Option<Result<Read>> {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reads.close();
        self.shared.notify();
    }
}

struct Follower {
    shared: Arc<Shared>,
    lane: Lane,
    /// The position that is wanted next.
    next: u64,
    open: Option<Open>,
    decoder: Decoder,
    sender: mpsc::Sender<Result<Read>>,
}

struct Open {
    name: Name,
    cursor: Cursor,
    /// The file is shorter than it was: what it still had was read.
    is_exhausted: bool,
}

/// The consumer or the journal is gone.
struct Ended;

impl Follower {
    fn run(mut self) {
        while let Some(view) = self.wait() {
            match self.follow(&view) {
                Ok(Ok(())) => {}
                Ok(Err(Ended)) => return,
                Err(error) => {
                    let _ = self.sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    }

    /// Waits until there is something to read, and says where. None when nobody wants it any more.
    fn wait(&mut self) -> Option<View> {
        let mut state = self.shared.lock();
        loop {
            if state.is_closing || self.sender.is_closed() {
                return None;
            }
            self.next = self.next.max(state.delivered + 1);
            let holds_it = segment::of_position(&state.segments, self.next).unwrap_or(0);
            // The first of these that was not read to its end.
            let unread =
                (holds_it..state.segments.len()).map(|index| state.view(index)).find(|view| !self.is_read(view));
            if let Some(view) = unread {
                return Some(view);
            }
            state = self.shared.wait(state, Some(LOOK));
        }
    }

    fn is_read(&self, view: &View) -> bool {
        if view.before <= self.next {
            return true;
        }
        let open = self.open.as_ref().filter(|open| open.name == view.name);
        open.is_some_and(|open| {
            open.is_exhausted || open.cursor.offset() >= view.end || open.cursor.last() + 1 >= view.before
        })
    }

    fn follow(&mut self, view: &View) -> Result<Result<(), Ended>> {
        if self.open.as_ref().is_none_or(|open| open.name != view.name) {
            let lost = view.name.first.saturating_sub(self.next);
            if lost > 0 {
                let (file, kind) = (view.path.clone(), Kind::Missing);
                let finding = Finding { file, offset: 0, bytes: 0, kind, lost: Some(lost), kept: None };
                self.next = view.name.first;
                if self.tell(Read::Damaged(finding)).is_err() {
                    return Ok(Err(Ended));
                }
            }
            let path = &view.path;
            let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
            let cursor = Cursor::new(file, view.salt, view.name.first);
            self.open = Some(Open { name: view.name, cursor, is_exhausted: false });
        }
        self.read_on(view).with_context(|| format!("reading {}", view.path.display()))
    }

    /// Reads a batch and hands it over, and what was damaged after it.
    fn read_on(&mut self, view: &View) -> io::Result<Result<(), Ended>> {
        let Some(open) = self.open.as_mut() else { return Ok(Ok(())) };
        let there = open.cursor.file().metadata()?.len();
        open.cursor.limit(view.end.min(there), view.before);
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut finding = None;
        while bytes < BATCH_BYTES && finding.is_none() {
            let from = open.cursor.offset();
            match open.cursor.step()? {
                Step::Entry { position, .. } if position < self.next => {}
                Step::Entry { position, body } => {
                    bytes += body.len();
                    self.next = position + 1;
                    match self.decoder.decode(self.lane, body) {
                        Some(record) => batch.push((position, record)),
                        None => finding = Some((from..open.cursor.offset(), Kind::Unknown)),
                    }
                }
                Step::Damaged(range) => finding = Some((range, Kind::Damaged)),
                Step::End if there < view.end && !open.is_exhausted => {
                    open.is_exhausted = true;
                    finding = Some((there..there, Kind::Missing));
                }
                Step::End => break,
            }
        }
        if !batch.is_empty() && self.tell(Read::Records(batch)).is_err() {
            return Ok(Err(Ended));
        }
        match finding {
            Some((range, kind)) => self.tell_of(view, &range, kind),
            None => Ok(Ok(())),
        }
    }

    fn tell_of(&mut self, view: &View, range: &Range<u64>, kind: Kind) -> io::Result<Result<(), Ended>> {
        let lost = match kind {
            Kind::Unknown => Some(1),
            _ => self.lost_before_the_next(view)?,
        };
        let finding = match kind {
            Kind::Missing => {
                let (file, offset) = (view.path.clone(), range.start);
                Finding { file, offset, bytes: 0, kind, lost, kept: None }
            }
            _ => damaged(&self.shared.place, &view.path, range, kind, lost),
        };
        Ok(self.tell(Read::Damaged(finding)))
    }

    /// How many records there were between the last one read and the next that can be read. Moves on to that one, so that
    /// no gap is told of twice.
    fn lost_before_the_next(&mut self, view: &View) -> io::Result<Option<u64>> {
        let Some(open) = self.open.as_mut() else { return Ok(None) };
        let next = open.cursor.peek_position()?.or((view.before != u64::MAX).then_some(view.before));
        let Some(next) = next else { return Ok(None) };
        let lost = next.saturating_sub(self.next);
        self.next = self.next.max(next);
        Ok(Some(lost))
    }

    fn tell(&self, read: Read) -> Result<(), Ended> {
        self.sender.blocking_send(Ok(read)).map_err(|_| Ended)
    }
}
