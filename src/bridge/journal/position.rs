//! How far a log was delivered: a number that changes often and is cheap to keep.
//!
//! Two slots, written in turn: one that a power cut tears leaves the other.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const FILE: &str = "delivered";
const SLOT: usize = 24;

/// The file of a delivered position.
#[derive(Debug)]
pub(super) struct Delivered {
    file: File,
    /// Of the last write; the next goes into the other slot.
    turn: u64,
}

impl Delivered {
    /// Opens it, or makes it; the position with it, 0 where nothing was delivered.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, u64)> {
        let path = directory.join(FILE);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let (turn, position) = read(&file)?;
        Ok((Self { file, turn }, position))
    }

    /// Survives a kill of this process from here on, and a power cut after [`Delivered::sync`].
    pub(super) fn write(&mut self, position: u64) -> io::Result<()> {
        let turn = self.turn + 1;
        let mut slot = [0; SLOT];
        slot[..8].copy_from_slice(&turn.to_le_bytes());
        slot[8..16].copy_from_slice(&position.to_le_bytes());
        let checksum = crc32fast::hash(&slot[..16]);
        slot[16..20].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&slot, turn % 2 * SLOT as u64)?;
        self.turn = turn;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The position in a directory of which nothing is changed.
pub(super) fn peek(directory: &Path) -> io::Result<u64> {
    match File::open(directory.join(FILE)) {
        Ok(file) => Ok(read(&file)?.1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The newer whole slot: its turn and position.
fn read(file: &File) -> io::Result<(u64, u64)> {
    let mut bytes = [0; 2 * SLOT];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    let number = |slot: &[u8], at: usize| u64::from_le_bytes(slot[at..at + 8].try_into().expect("eight bytes"));
    let is_whole = |slot: &&[u8]| crc32fast::hash(&slot[..16]).to_le_bytes() == slot[16..20];
    let slots = bytes.chunks_exact(SLOT).filter(is_whole).map(|slot| (number(slot, 0), number(slot, 8)));
    Ok(slots.max().unwrap_or((0, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(peek(dir.path()).unwrap(), 0);
        let (mut delivered, position) = Delivered::open(dir.path()).unwrap();
        assert_eq!(position, 0);
        for position in [5, 9, 12] {
            delivered.write(position).unwrap();
            assert_eq!(peek(dir.path()).unwrap(), position);
        }
        // Turn 3 is in the second slot: torn, it leaves turn 2.
        delivered.file.write_all_at(&[0xff], SLOT as u64 + 9).unwrap();
        assert_eq!(Delivered::open(dir.path()).unwrap().1, 9);
    }
}
