//! Writing a ledger while messages are on their way.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Entry, Header};
use crate::about::Remedy;
use crate::failure::Failure;

/// What a kill may take with it.
const UNWRITTEN: Duration = Duration::from_millis(100);
const BUFFER: usize = 256 * 1024;

/// A ledger that is being written, by a thread of its own.
pub struct Book {
    entries: Sender<Entry>,
    writer: JoinHandle<Result<()>>,
    /// Cancelled when it can be written no more.
    pub broken: CancellationToken,
}

/// Refuses a file that is there: it may be the only evidence of another run.
///
/// # Errors
/// [`Failure::Usage`] that says so.
pub fn ensure_new(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::Usage {
        cause: format!("{} already exists", path.display()),
        remedy: Remedy::words("name another file, or remove this one: a ledger covers one run"),
    })
}

impl Book {
    /// Begins a file.
    ///
    /// # Errors
    /// As for [`ensure_new`], or when it cannot be made.
    pub fn create(path: &Path, header: &Header) -> Result<Self> {
        ensure_new(path)?;
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let file = made.with_context(|| format!("creating the ledger {}", path.display()))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        write_line(&mut out, header).and_then(|()| out.flush()).with_context(|| writing(path))?;
        let (entries, received) = channel();
        let broken = CancellationToken::new();
        let (path, told): (PathBuf, _) = (path.to_owned(), broken.clone());
        let write = move || {
            let written = write_all(&mut out, &received).with_context(|| writing(&path));
            if written.is_err() {
                told.cancel();
            }
            written
        };
        let writer = std::thread::Builder::new().name("ledger".to_owned()).spawn(write).context("starting a thread")?;
        Ok(Self { entries, writer, broken })
    }

    /// Enters messages into it, from wherever.
    pub fn pen(&self) -> Sender<Entry> {
        self.entries.clone()
    }

    /// Writes what is left, once all pens are laid down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(self) -> Result<()> {
        drop(self.entries);
        self.writer.join().map_err(|_| anyhow!("writing the ledger ended early"))?
    }
}

fn writing(path: &Path) -> String {
    format!("writing the ledger {}", path.display())
}

fn write_line(out: &mut BufWriter<File>, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn write_all(out: &mut BufWriter<File>, entries: &Receiver<Entry>) -> std::io::Result<()> {
    let mut flushed = Instant::now();
    loop {
        match entries.recv_timeout(UNWRITTEN) {
            Ok(entry) => write_line(out, &entry)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return out.flush(),
        }
        if flushed.elapsed() >= UNWRITTEN {
            out.flush()?;
            flushed = Instant::now();
        }
    }
}
