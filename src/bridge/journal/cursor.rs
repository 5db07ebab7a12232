//! One way through a segment, entry by entry, over damaged bytes to the next whole entry.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::{Bytes, BytesMut};

use super::frame::{ENTRY_HEADER, EntryHeader, SEGMENT_HEADER};

/// What is read at once, unless one entry is larger.
const BLOCK: u64 = 256 * 1024;

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Entry {
        position: u64,
        body: Bytes,
    },
    /// Bytes of the file that do not form an entry; what follows, if anything, is the next step.
    Damaged(Range<u64>),
    /// Nothing more before `end`.
    End,
}

/// Reads a segment in order. Bytes from `end` on are not looked at.
#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    salt: u64,
    /// Of the next entry, in the file.
    offset: u64,
    end: u64,
    /// The position of the entry before.
    last: u64,
    /// Entries from this position on are the next segment's, even if some are left here.
    before: u64,
    /// What was read of the file, from `offset` on.
    block: Bytes,
}

impl Cursor {
    /// At a segment's first entry.
    pub(super) fn new(file: File, salt: u64, first: u64) -> Self {
        let last = first.saturating_sub(1);
        Self { file, salt, offset: SEGMENT_HEADER as u64, end: 0, last, before: u64::MAX, block: Bytes::new() }
    }

    /// How far it may read, and the first position of the next segment.
    pub(super) fn limit(&mut self, end: u64, before: u64) {
        self.end = end;
        self.before = before;
    }

    /// Where the next entry begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The position of the last entry that was read; the one before the segment's first at the beginning.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.offset >= self.end || self.last.saturating_add(1) >= self.before
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// # Errors
    /// When the file cannot be read.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        if self.is_at_end() {
            return Ok(Step::End);
        }
        if let Some((header, body)) = self.entry_here()? {
            self.offset += (ENTRY_HEADER + header.length) as u64;
            self.last = header.position;
            return Ok(Step::Entry { position: header.position, body });
        }
        let from = self.offset;
        self.offset = self.next_whole(from)?.unwrap_or(self.end);
        self.block = Bytes::new();
        Ok(Step::Damaged(from..self.offset))
    }

    /// The position of the entry at `offset`, if that is one.
    pub(super) fn peek_position(&mut self) -> io::Result<Option<u64>> {
        if self.is_at_end() {
            return Ok(None);
        }
        let block = self.block.clone();
        let here = self.entry_here()?;
        if here.is_some() {
            self.block = block;
        }
        Ok(here.map(|(header, _)| header.position))
    }

    /// The entry at `offset`, taken out of the block.
    fn entry_here(&mut self) -> io::Result<Option<(EntryHeader, Bytes)>> {
        if self.end - self.offset < ENTRY_HEADER as u64 {
            return Ok(None);
        }
        self.fill(ENTRY_HEADER)?;
        let header = EntryHeader::from_bytes(&self.block);
        let whole = ENTRY_HEADER + header.length;
        // After damage, positions have a gap as wide as what was lost.
        if header.position <= self.last || header.position >= self.before || whole as u64 > self.end - self.offset {
            return Ok(None);
        }
        self.fill(whole)?;
        if !header.fits(self.salt, &self.block[ENTRY_HEADER..whole]) {
            return Ok(None);
        }
        Ok(Some((header, self.block.split_to(whole).split_off(ENTRY_HEADER))))
    }

    /// Makes the block at least `wanted` long, which the file is known to have.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let had = self.block.len();
        if had >= wanted {
            return Ok(());
        }
        let size = (wanted as u64).max(BLOCK).min(self.end - self.offset);
        let mut block = BytesMut::zeroed(usize::try_from(size).unwrap_or(wanted));
        block[..had].copy_from_slice(&self.block);
        self.file.read_exact_at(&mut block[had..], self.offset + had as u64)?;
        self.block = block.freeze();
        Ok(())
    }

    /// Where the next whole entry after `damaged` begins.
    fn next_whole(&self, damaged: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; usize::try_from(BLOCK).expect("a block fits in memory")];
        let mut start = damaged + 1;
        while start + ENTRY_HEADER as u64 <= self.end {
            let size = (self.end - start).min(BLOCK);
            let window = &mut window[..usize::try_from(size).expect("at most a block")];
            self.file.read_exact_at(window, start)?;
            for (at, bytes) in window.windows(ENTRY_HEADER).enumerate() {
                let offset = start + at as u64;
                if self.is_whole(&EntryHeader::from_bytes(bytes), damaged, offset)? {
                    return Ok(Some(offset));
                }
            }
            start += size - (ENTRY_HEADER as u64 - 1);
        }
        Ok(None)
    }

    /// Whether what stands at `offset` is an entry. Most bytes are excluded without reading on: no more entries can have
    /// been lost than the damaged bytes have room for.
    fn is_whole(&self, header: &EntryHeader, damaged: u64, offset: u64) -> io::Result<bool> {
        let most_lost = (offset - damaged) / ENTRY_HEADER as u64;
        let body = offset + ENTRY_HEADER as u64;
        let may_be = header.position > self.last
            && header.position - self.last - 1 <= most_lost
            && header.position < self.before
            && header.length as u64 <= self.end - body;
        if !may_be {
            return Ok(false);
        }
        let mut bytes = vec![0; header.length];
        self.file.read_exact_at(&mut bytes, body)?;
        Ok(header.fits(self.salt, &bytes))
    }
}
