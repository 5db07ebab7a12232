//! The journal in directories of its own: what comes back, and when.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;

pub(super) fn record(lane: Lane, number: u64) -> Record {
    Record {
        lane,
        topic: "device.telemetry".into(),
        key: Bytes::from(format!("device-{}", number % 7)),
        headers: vec![("event-id".into(), Some(Bytes::from(number.to_string()))), ("none".into(), None)],
        value: Some(Bytes::from(format!("value {number} {}", "x".repeat(usize::try_from(number % 50).unwrap())))),
        time: i64::try_from(1_000 + number).unwrap(),
    }
}

pub(super) fn open(directory: &Path) -> (Journal, Opened) {
    open_with(directory, &Options { max_bytes: Some(1 << 30), cluster_id: None })
}

pub(super) fn open_with(directory: &Path, options: &Options) -> (Journal, Opened) {
    // Another test may be starting a program just now, which holds the lock until it runs.
    let deadline = Instant::now() + Duration::from_secs(10);
    let lock = loop {
        if let Some(lock) = Lock::try_acquire(directory).unwrap() {
            break lock;
        }
        assert!(Instant::now() < deadline, "somebody holds the lock");
    };
    Journal::open(lock, options).unwrap()
}

/// Appends the records of these numbers and waits until they are synced.
pub(super) fn append(journal: &Journal, lane: Lane, numbers: std::ops::Range<u64>) {
    let records: Vec<Record> = numbers.map(|number| record(lane, number)).collect();
    let last = *journal.append(lane, &records).end();
    wait_synced(journal, lane, last);
}

pub(super) fn wait_synced(journal: &Journal, lane: Lane, position: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let synced = async { tokio::time::timeout(Duration::from_secs(20), journal.synced(lane, position)).await };
    runtime.block_on(synced).expect("synced in time").unwrap();
}

/// What a new reader reads until it has seen `last`.
pub(super) fn read_through(journal: &Journal, lane: Lane, last: u64) -> (Vec<(u64, Record)>, Vec<Finding>) {
    let mut reader = journal.reader(lane).unwrap();
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    while records.last().is_none_or(|(position, _)| *position < last) {
        match reader.blocking_next().expect("the journal is open").unwrap() {
            Read::Records(more) => records.extend(more),
            Read::Damaged(finding) => findings.push(finding),
        }
    }
    (records, findings)
}

pub(super) fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_not_delivered_comes_back_in_order_lane_by_lane() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(dir.path());
    assert!(opened.findings.is_empty(), "{:?}", opened.findings);
    append(&journal, Lane::Rest, 1..101);
    append(&journal, Lane::Emergencies, 1..4);
    journal.delivered(Lane::Rest, 40);
    journal.close();
    drop(journal);

    let (journal, opened) = open(dir.path());
    assert!(opened.findings.is_empty(), "{:?}", opened.findings);
    let usage = journal.usage();
    assert_eq!(usage.lanes.each_ref().map(|lane| lane.records), [3, 0, 60]);
    assert_eq!(usage.lanes[0].oldest, Some(1_001));
    let (records, findings) = read_through(&journal, Lane::Rest, 100);
    assert!(findings.is_empty(), "{findings:?}");
    let expected: Vec<_> = (41..101).map(|number| (number, record(Lane::Rest, number))).collect();
    assert_eq!(records, expected);
    // Numbers go on where they were, and a reader follows.
    let mut reader = journal.reader(Lane::Emergencies).unwrap();
    append(&journal, Lane::Emergencies, 4..5);
    let mut seen = Vec::new();
    while seen.len() < 4 {
        match reader.blocking_next().unwrap().unwrap() {
            Read::Records(records) => seen.extend(records.into_iter().map(|(position, _)| position)),
            Read::Damaged(finding) => panic!("{finding}"),
        }
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[test]
fn segments_go_when_all_of_them_is_delivered_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { max_bytes: Some(1 << 20), cluster_id: None };
    let (journal, _) = open_with(dir.path(), &options);
    let files = || segment::list(&dir.path().join("rest")).unwrap().len();
    for start in 0..20 {
        append(&journal, Lane::Rest, start * 100 + 1..start * 100 + 101);
    }
    assert!(files() > 2, "{}", files());
    let (records, _) = read_through(&journal, Lane::Rest, 2_000);
    assert_eq!(records.len(), 2_000);
    let full = journal.usage().bytes;
    journal.delivered(Lane::Rest, 2_000);
    await_that("segments go", || files() == 1 && journal.usage().bytes < full / 3);
    journal.close();
    drop(journal);
    let (journal, opened) = open_with(dir.path(), &options);
    assert!(opened.findings.is_empty(), "{:?}", opened.findings);
    assert_eq!(journal.append(Lane::Rest, &[record(Lane::Rest, 1)]), 2_001..=2_001);
}

#[test]
fn one_writes_and_another_waits_until_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    assert!(Lock::try_acquire(dir.path()).unwrap().is_none());
    assert_eq!(holder(dir.path()), Some(std::process::id().to_string()));
    append(&journal, Lane::Rest, 1..2);
    journal.close();
    assert!(Lock::try_acquire(dir.path()).unwrap().is_none(), "the journal still has it");
    drop(journal);
    assert!(Lock::try_acquire(dir.path()).unwrap().is_some());
    assert_eq!(holder(dir.path()), None);
}

#[test]
fn a_journal_that_cannot_be_opened_keeps_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("alerts"), "in the way").unwrap();
    let lock = Lock::try_acquire(dir.path()).unwrap().unwrap();
    assert!(Journal::open(lock, &Options::default()).is_err());
    await_that("the lock is free", || Lock::try_acquire(dir.path()).unwrap().is_some());
}

#[test]
fn the_records_of_one_cluster_do_not_go_to_another() {
    let dir = tempfile::tempdir().unwrap();
    let of = |cluster: &str| Options { max_bytes: None, cluster_id: Some(cluster.to_owned()) };
    let (journal, opened) = open_with(dir.path(), &of("one"));
    assert_eq!(opened.cluster_id, None);
    append(&journal, Lane::Alerts, 1..3);
    journal.bind("one").unwrap();
    let refusal = journal.bind("two").unwrap_err();
    assert!(refusal.to_string().contains("2 messages in"), "{refusal}");
    assert!(crate::failure::remedy(&refusal).unwrap().as_str().contains("--journal"));
    journal.delivered(Lane::Alerts, 2);
    journal.close();
    drop(journal);
    let (_, opened) = open_with(dir.path(), &of("two"));
    assert_eq!(opened.cluster_id.as_deref(), Some("one"));
}

#[test]
fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("journal");
    let (journal, _) = open_with(&directory, &Options { max_bytes: None, cluster_id: Some("one".to_owned()) });
    append(&journal, Lane::Rest, 1..2);
    let mut folders = vec![directory];
    while let Some(folder) = folders.pop() {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for path in crate::paths::children(&folder) {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }
}

#[test]
fn a_receipt_is_recalled_until_it_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let (press, other) = (Digest::of("panic/d/press", b"{}"), Digest::of("panic/e/press", b"{}"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let receipts = journal.receipts();
    runtime.block_on(receipts.remember("s", 7, press, "event-1")).unwrap();
    runtime.block_on(receipts.remember("s", 9, other, "event-2")).unwrap();
    runtime.block_on(receipts.remember("s", 8, other, "event-3")).unwrap();
    runtime.block_on(receipts.forget("s", 9)).unwrap();
    journal.close();
    drop(journal);
    let (journal, opened) = open(dir.path());
    assert!(opened.findings.is_empty(), "{:?}", opened.findings);
    let receipts = journal.receipts();
    assert_eq!(receipts.recall("s", 7, &press).as_deref(), Some("event-1"));
    assert_eq!(receipts.recall("s", 7, &other), None);
    assert_eq!(receipts.recall("t", 7, &press), None);
    assert_eq!(receipts.awaiting("s"), [7, 8]);
    runtime.block_on(receipts.begin_session("t")).unwrap();
    assert_eq!(receipts.recall("s", 7, &press), None);
    assert!(receipts.awaiting("s").is_empty());
}

#[test]
fn receipts_take_no_more_room_than_what_is_valid_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let digest = Digest::of("t", b"");
    let receipts = journal.receipts();
    drop(receipts.remember("s", 1, digest, "kept"));
    let mut last = None;
    for round in 0..20_000_u32 {
        let packet_id = u16::try_from(2 + round % 100).unwrap();
        drop(receipts.remember("s", packet_id, digest, "passing"));
        let forgotten = receipts.forget("s", packet_id);
        if round % 1_000 == 0 {
            last = Some(forgotten);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(last.unwrap()).unwrap();
    await_that("old receipts go", || {
        drop(receipts.forget("s", 99));
        receipts.bytes() < 3 << 20
    });
    journal.close();
    drop(journal);
    let (journal, _) = open(dir.path());
    assert_eq!(journal.receipts().awaiting("s"), [1]);
    assert_eq!(journal.receipts().recall("s", 1, &digest).as_deref(), Some("kept"));
}
