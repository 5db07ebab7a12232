//! The bytes of the journal's files: a segment's header, and the frame around each entry.
//!
//! ```text
//! segment  header · header again · entry · entry · …
//! header   magic 8 · version 4 · zero 4 · salt 8 · first position 8 · made at (ms) 8 · zero 20 · checksum 4
//! entry    length of body 4 · checksum 4 · position 8 · body
//! ```
//! Numbers are little endian, checksums CRC-32. An entry's checksum begins with the segment's salt, so that a payload that
//! looks like an entry is not taken for one where the search for the next entry goes through damaged bytes.

use crc32fast::Hasher;

/// The layout that this module writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;
/// Bytes before the first entry: the header, twice, so that no single damage makes a segment unreadable.
pub(super) const SEGMENT_HEADER: usize = 2 * HEADER;
/// Bytes before an entry's body.
pub(super) const ENTRY_HEADER: usize = 16;

const HEADER: usize = 64;
const MAGIC: &[u8; 8] = b"SOSJRNL\n";

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) version: u32,
    pub(super) salt: u64,
    /// The position of its first entry.
    pub(super) first: u64,
    /// In milliseconds since 1970.
    pub(super) made_at: i64,
}

impl SegmentHeader {
    pub(super) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.made_at.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..HEADER].copy_from_slice(&checksum.to_le_bytes());
        bytes.copy_within(..HEADER, HEADER);
        bytes
    }

    /// None where neither copy is whole.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.chunks_exact(HEADER).take(2).find_map(Self::from_copy)
    }

    fn from_copy(bytes: &[u8]) -> Option<Self> {
        let is_whole = bytes.starts_with(MAGIC) && crc32fast::hash(&bytes[..HEADER - 4]) == u32_at(bytes, HEADER - 4);
        is_whole.then(|| Self {
            version: u32_at(bytes, 8),
            salt: u64_at(bytes, 16),
            first: u64_at(bytes, 24),
            made_at: u64_at(bytes, 32).cast_signed(),
        })
    }
}

/// What stands before an entry's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) length: usize,
    checksum: u32,
    pub(super) position: u64,
}

impl EntryHeader {
    /// `bytes` has at least [`ENTRY_HEADER`] of them.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self { length: u32_at(bytes, 0) as usize, checksum: u32_at(bytes, 4), position: u64_at(bytes, 8) }
    }

    /// Whether this is the header of this body, in a segment with this salt.
    pub(super) fn fits(&self, salt: u64, body: &[u8]) -> bool {
        body.len() == self.length && checksum(salt, self.position, body) == self.checksum
    }
}

/// Appends an entry to `out`; `body` is shorter than 4 GiB.
pub(super) fn push_entry(out: &mut Vec<u8>, salt: u64, position: u64, body: &[u8]) {
    let length = u32::try_from(body.len()).expect("MQTT packets are shorter than 256 MiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(salt, position, body).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(body);
}

fn checksum(salt: u64, position: u64, body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(&position.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
