//! Reading a ledger, also one whose writer was killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::{Entry, Header, VERSION};
use crate::about::Remedy;
use crate::failure::Failure;

/// Reads a ledger line by line; `each` is given every entry and where its line begins, in bytes. Whether the last line
/// was torn.
///
/// # Errors
/// When it cannot be read, or a line but the last is not what a ledger has there; those of `each`.
pub fn read(path: &Path, mut each: impl FnMut(Entry, u64) -> Result<()>) -> Result<(Header, bool)> {
    let mut input = open(path)?;
    let mut line = Vec::new();
    next_line(&mut input, &mut line, path)?;
    let header = header(&line).ok_or_else(|| Failure::Usage {
        cause: format!("{} is not a ledger of version {VERSION}", path.display()),
        remedy: Remedy::words("name a file written by simulate --ledger"),
    })?;
    let (mut at, mut number) = (line.len() as u64, 1_u64);
    loop {
        let length = next_line(&mut input, &mut line, path)?;
        if length == 0 {
            return Ok((header, false));
        }
        number += 1;
        if line.last() != Some(&b'\n') {
            return Ok((header, true));
        }
        let entry = serde_json::from_slice(&line)
            .map_err(|error| anyhow!(error))
            .and_then(|entry: Entry| if entry.qos > 2 { bail!("QoS {} does not exist", entry.qos) } else { Ok(entry) })
            .with_context(|| format!("{}, line {number}", path.display()))?;
        each(entry, at).with_context(|| format!("{}, line {number}", path.display()))?;
        at += length as u64;
    }
}

/// The entry whose line begins there.
///
/// # Errors
/// When it cannot be read.
pub fn entry_at(path: &Path, at: u64) -> Result<Entry> {
    let mut input = open(path)?;
    input.seek(SeekFrom::Start(at)).with_context(|| format!("reading {}", path.display()))?;
    let mut line = Vec::new();
    next_line(&mut input, &mut line, path)?;
    serde_json::from_slice(&line).with_context(|| format!("reading {}", path.display()))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| Failure::Usage {
        cause: format!("{} cannot be read: {error}", path.display()),
        remedy: Remedy::words("name a file written by simulate --ledger"),
    })?;
    Ok(BufReader::with_capacity(256 * 1024, file))
}

fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, path: &Path) -> Result<usize> {
    line.clear();
    input.read_until(b'\n', line).with_context(|| format!("reading {}", path.display()))
}

fn header(line: &[u8]) -> Option<Header> {
    serde_json::from_slice(line).ok().filter(|header: &Header| header.ledger == VERSION)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ledger::book::Book;

    fn some_header() -> Header {
        let (scenario, stack) = ("city".to_owned(), "sos".to_owned());
        Header { ledger: VERSION, scenario, seed: 7, devices: 1, rate: 0.1, stack, cluster: None, started: 5 }
    }

    fn entry(sequence: u64) -> Entry {
        Entry {
            topic: "device/d/alert".to_owned(),
            qos: 2,
            device: "d".to_owned(),
            event_id: format!("d-{sequence}"),
            sequence,
            intended: 1,
            sent: Some(2),
            acknowledged: None,
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_no_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let book = Book::create(&path, &some_header()).unwrap();
        let pen = book.pen();
        (1..=3).for_each(|sequence| pen.send(entry(sequence)).unwrap());
        drop(pen);
        book.close().unwrap();
        let read_all = || {
            let mut all = Vec::new();
            let (header, torn) = read(&path, |entry, at| {
                all.push((entry, at));
                Ok(())
            })
            .unwrap();
            assert_eq!(header, some_header());
            (all, torn)
        };
        let (all, torn) = read_all();
        assert_eq!((all.iter().map(|(entry, _)| entry.sequence).collect::<Vec<_>>(), torn), (vec![1, 2, 3], false));
        assert_eq!(entry_at(&path, all[1].1).unwrap(), entry(2));
        let taken = Book::create(&path, &some_header()).err().unwrap().to_string();
        assert!(taken.contains("already exists"), "{taken}");

        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"topic":"device/d/al"#).unwrap();
        let (all, torn) = read_all();
        assert_eq!((all.len(), torn), (3, true));
        file.write_all(b"\n").unwrap();
        let broken = read(&path, |_, _| Ok(())).unwrap_err().to_string();
        assert!(broken.ends_with("ledger.jsonl, line 5"), "{broken}");
    }
}
