//! Log lines of several services, or bridges, merged by time, and what they go on to write.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::log_files::{self, Line};
use crate::runtime::{LogLine, LogQuery};
use crate::stack::Member;

/// Between two looks at files that grow.
const INTERVAL: Duration = Duration::from_millis(100);

/// The lines that a query asks for.
pub(in crate::runtime) fn logs(
    services: &[(Member, PathBuf)],
    query: &LogQuery,
) -> BoxStream<'static, Result<LogLine>> {
    // Where following goes on is noted before the past is read: a line may then come twice, never not at all.
    let followed: Vec<Followed> = services
        .iter()
        .flat_map(|(service, dir)| log_files::growing(dir).map(|path| Followed::new(*service, path)))
        .collect();
    let mut past: Vec<LogLine> = services.iter().flat_map(|(service, dir)| past(*service, dir, query)).collect();
    past.sort_by_key(|line| line.time);
    let past = stream::iter(past.into_iter().map(Ok));
    if query.follow { past.chain(follow(followed)).boxed() } else { past.boxed() }
}

fn past(service: Member, dir: &Path, query: &LogQuery) -> Vec<LogLine> {
    let recent = |(time, _): &Line| query.since.is_none_or(|since| time.is_none_or(|time| time >= since));
    let lines: Vec<Line> = log_files::read_all(dir).into_iter().filter(recent).collect();
    let skip = query.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    lines.into_iter().skip(skip).map(|(time, text)| LogLine { service, time, text }).collect()
}

fn follow(mut files: Vec<Followed>) -> BoxStream<'static, Result<LogLine>> {
    let (sender, receiver) = mpsc::channel(1024);
    tokio::spawn(async move {
        loop {
            let mut lines: Vec<LogLine> = files.iter_mut().flat_map(Followed::new_lines).collect();
            lines.sort_by_key(|line| line.time);
            for line in lines {
                if sender.send(Ok(line)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|line| (line, receiver))).boxed()
}

/// A file that grows, is rotated away, or is cut back to nothing.
struct Followed {
    service: Member,
    path: PathBuf,
    open: Option<File>,
    inode: u64,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    unfinished: Vec<u8>,
    last: Option<Timestamp>,
}

impl Followed {
    /// Begins at the file's end.
    fn new(service: Member, path: PathBuf) -> Self {
        let mut followed = Self { service, path, open: None, inode: 0, offset: 0, unfinished: Vec::new(), last: None };
        followed.reopen();
        followed.offset = followed.open.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len());
        followed
    }

    fn reopen(&mut self) {
        self.open = File::open(&self.path).ok();
        self.inode = self.open.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.ino());
        self.offset = 0;
    }

    fn new_lines(&mut self) -> Vec<LogLine> {
        let mut lines = self.read_on();
        let rotated = std::fs::metadata(&self.path).is_ok_and(|meta| meta.ino() != self.inode);
        if rotated {
            self.reopen();
            lines.extend(self.read_on());
        }
        lines
    }

    fn read_on(&mut self) -> Vec<LogLine> {
        let Some(file) = &mut self.open else { return Vec::new() };
        if file.metadata().is_ok_and(|meta| meta.len() < self.offset) {
            self.offset = 0;
        }
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_to_end(&mut bytes));
        self.offset += read.unwrap_or(0) as u64;
        self.unfinished.extend(bytes);
        let whole = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let rest = self.unfinished.split_off(whole);
        let complete = std::mem::replace(&mut self.unfinished, rest);
        let text = String::from_utf8_lossy(&complete);
        let last = &mut self.last;
        text.lines()
            .map(|line| log_files::parse(line, last))
            .map(|(time, text)| LogLine { service: self.service, time, text })
            .collect()
    }
}
