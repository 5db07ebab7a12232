//! Journals that a crash or a disk damaged: what is whole comes back, what is not is told of and kept.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{ENTRY_HEADER, SEGMENT_HEADER};
use super::tests::{append, open, read_through, record};
use super::*;

const LANE: Lane = Lane::Rest;

/// A journal of two segments, of 3 and `last` records, and the path of the second.
fn two_segments(directory: &Path, last: u64) -> PathBuf {
    for numbers in [1..4, 4..4 + last] {
        let (journal, _) = open(directory);
        append(&journal, LANE, numbers);
        journal.close();
    }
    segments(directory).pop().unwrap()
}

/// Hundreds of journals are made here: where there is a disk in memory, their syncs cost nothing.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let listed = segment::list(&directory.join(LANE.as_str())).unwrap();
    listed.into_iter().map(|(_, path)| path).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in crate::paths::children(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn size_of(number: u64) -> u64 {
    (ENTRY_HEADER + codec::encoded_len(&record(LANE, number))) as u64
}

/// Opens a damaged journal, appends one more, numbered `then`, and reads everything.
fn reopened(directory: &Path) -> (Vec<(u64, Record)>, Vec<Finding>) {
    let (journal, opened) = open(directory);
    let position = *journal.append(LANE, &[record(LANE, 1_000)]).end();
    super::tests::wait_synced(&journal, LANE, position);
    let (records, told) = read_through(&journal, LANE, position);
    journal.close();
    (records, opened.findings.into_iter().chain(told).collect())
}

fn numbers(records: &[(u64, Record)]) -> Vec<u64> {
    let number = |(position, read): &(u64, Record)| {
        let number = [*position, 1_000].into_iter().find(|number| *read == record(LANE, *number));
        number.unwrap_or_else(|| panic!("position {position} has another record: {read:?}"))
    };
    records.iter().map(number).collect()
}

#[test]
fn a_last_entry_of_any_length_is_cut_off_and_kept() {
    let dir = in_memory();
    let whole = dir.path().join("whole");
    let path = two_segments(&whole, 3);
    let length = fs::metadata(&path).unwrap().len();
    for cut in 0..=size_of(6) {
        let torn = dir.path().join(format!("torn-{cut}"));
        copy(&whole, &torn);
        let file = torn.join(path.strip_prefix(&whole).unwrap());
        OpenOptions::new().write(true).open(&file).unwrap().set_len(length - size_of(6) + cut).unwrap();
        let (records, findings) = reopened(&torn);
        let is_whole = cut == size_of(6);
        let expected: &[u64] = if is_whole { &[1, 2, 3, 4, 5, 6, 1_000] } else { &[1, 2, 3, 4, 5, 1_000] };
        assert_eq!(numbers(&records), expected, "{cut}");
        if is_whole || cut == 0 {
            assert!(findings.is_empty(), "{cut}: {findings:?}");
        } else {
            assert_eq!(findings.len(), 1, "{cut}: {findings:?}");
            assert_eq!((findings[0].kind, findings[0].bytes), (Kind::Torn, cut), "{cut}");
            let kept = fs::read(findings[0].kept.as_ref().unwrap()).unwrap();
            assert_eq!(kept.len() as u64, cut);
        }
        fs::remove_dir_all(&torn).unwrap();
    }
}

/// Flips each byte of the segment at `index` of two, and says what was read and found.
fn flip_each(index: usize, check: impl Fn(u64, &[u64], &[Finding])) {
    let dir = in_memory();
    let whole = dir.path().join("whole");
    two_segments(&whole, 3);
    let path = segments(&whole)[index].clone();
    let length = fs::metadata(&path).unwrap().len();
    for offset in 0..length {
        let flipped = dir.path().join(format!("flipped-{offset}"));
        copy(&whole, &flipped);
        let at = flipped.join(path.strip_prefix(&whole).unwrap());
        let file = OpenOptions::new().read(true).write(true).open(&at).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << (offset % 8))], offset).unwrap();
        let seen = inspect(&flipped).unwrap();
        let (records, findings) = reopened(&flipped);
        assert_eq!(seen.damaged.len(), findings.len(), "{offset}: {seen:?}");
        assert_eq!(seen.messages, records.len() as u64 - 1, "{offset}: {seen:?}");
        check(offset, &numbers(&records), &findings);
        fs::remove_dir_all(&flipped).unwrap();
    }
}

#[test]
fn a_flipped_bit_costs_one_entry_and_says_so() {
    flip_each(0, |offset, numbers, findings| {
        let mut start = SEGMENT_HEADER as u64;
        let mut expected = vec![1, 2, 3, 4, 5, 6, 1_000];
        for number in 1..4 {
            if (start..start + size_of(number)).contains(&offset) {
                expected.retain(|kept| *kept != number);
                assert_eq!(findings.len(), 1, "{offset}: {findings:?}");
                assert_eq!((findings[0].offset, findings[0].lost), (start, Some(1)), "{offset}");
                assert_eq!(findings[0].kind, Kind::Damaged, "{offset}");
                let kept = fs::read(findings[0].kept.as_ref().unwrap()).unwrap();
                assert_eq!(kept.len() as u64, size_of(number), "{offset}");
            }
            start += size_of(number);
        }
        assert_eq!(numbers, expected, "{offset}");
        assert_eq!(findings.is_empty(), numbers.len() == 7, "{offset}: {findings:?}");
    });
}

#[test]
fn a_flipped_bit_at_the_end_costs_no_more() {
    flip_each(1, |offset, numbers, findings| {
        let mut start = SEGMENT_HEADER as u64;
        let mut expected = vec![1, 2, 3, 4, 5, 6, 1_000];
        for number in 4..7 {
            if (start..start + size_of(number)).contains(&offset) {
                expected.retain(|kept| *kept != number);
            }
            start += size_of(number);
        }
        assert_eq!(numbers, expected, "{offset}");
        assert_eq!(findings.is_empty(), numbers.len() == 7, "{offset}: {findings:?}");
    });
}

#[test]
fn a_segment_without_header_costs_itself_and_is_kept() {
    let dir = in_memory();
    two_segments(dir.path(), 3);
    let file = OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap();
    file.write_all_at(&[0; SEGMENT_HEADER], 0).unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.findings.len(), 1, "{:?}", opened.findings);
    assert!(opened.findings[0].kept.as_ref().unwrap().is_file());
    let (records, _) = read_through(&journal, LANE, 6);
    assert_eq!(numbers(&records), [4, 5, 6]);
}

#[test]
fn a_segment_that_was_being_made_is_no_loss() {
    let dir = in_memory();
    let path = two_segments(dir.path(), 3);
    for length in 0..SEGMENT_HEADER {
        let begun = path.with_file_name("00000000000000000007.0.log");
        fs::write(&begun, vec![0; length]).unwrap();
        let (journal, opened) = open(dir.path());
        assert_eq!(opened.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Torn], "{length}");
        let (records, findings) = read_through(&journal, LANE, 6);
        assert_eq!((numbers(&records), findings), (vec![1, 2, 3, 4, 5, 6], vec![]), "{length}");
        journal.close();
    }
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let dir = in_memory();
    two_segments(dir.path(), 3);
    let (journal, _) = open(dir.path());
    append(&journal, LANE, 7..9);
    journal.close();
    drop(journal);
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    let (journal, _) = open(dir.path());
    let (records, findings) = read_through(&journal, LANE, 8);
    assert_eq!(numbers(&records), [1, 2, 3, 7, 8]);
    assert_eq!(
        findings.iter().map(|finding| (finding.kind, finding.lost)).collect::<Vec<_>>(),
        [(Kind::Missing, Some(3))]
    );
}

#[test]
fn what_a_payload_holds_is_not_taken_for_an_entry() {
    let dir = in_memory();
    // An entry that would fit, but for the salt, within the payload of the one that is damaged.
    let mut forged = Vec::new();
    let mut body = BytesMut::new();
    codec::encode(&mut body, &record(LANE, 666));
    frame::push_entry(&mut forged, 0, 2, &body);
    let (journal, _) = open(dir.path());
    let carrier = Record { value: Some(forged.into()), ..record(LANE, 1) };
    journal.append(LANE, &[carrier, record(LANE, 2)]);
    super::tests::wait_synced(&journal, LANE, 2);
    journal.close();
    drop(journal);
    let file = OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap();
    file.write_all_at(&[0xff], SEGMENT_HEADER as u64 + 4).unwrap();
    let (journal, _) = open(dir.path());
    let (records, findings) = read_through(&journal, LANE, 2);
    assert_eq!(numbers(&records), [2]);
    assert_eq!(findings.len(), 1);
}

#[test]
fn what_is_left_of_a_failed_sync_is_the_next_segments() {
    let (dir, other) = (in_memory(), in_memory());
    two_segments(dir.path(), 3);
    let (journal, _) = open(other.path());
    // What was written of 4 to 6 before the sync failed, and could not be cut off.
    append(&journal, LANE, 1..4);
    append(&journal, LANE, 104..107);
    journal.close();
    fs::copy(&segments(other.path())[0], &segments(dir.path())[0]).unwrap();
    assert_eq!(inspect(dir.path()).unwrap().messages, 6);
    let (records, findings) = reopened(dir.path());
    assert_eq!((numbers(&records), findings), (vec![1, 2, 3, 4, 5, 6, 1_000], vec![]));
}
