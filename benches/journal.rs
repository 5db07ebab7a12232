//! How fast the bridge's journal takes and gives messages of 200 bytes: `cargo bench --bench journal [DIR]`.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sosstack::bridge::journal::{Journal, Lock, Options, Read};
use sosstack::bridge::record::{Lane, Record};

const MESSAGES: u64 = 1_000_000;
/// So much may be in memory and not synced.
const PENDING: u64 = 8 << 20;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let place = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    let directory = place.join(format!("journal-{}", std::process::id()));
    println!("{MESSAGES} messages of 200 B, in {}", directory.display());
    alone(&directory);
    for batch in [1, 10, 100] {
        appended(&directory, batch);
    }
    std::fs::remove_dir_all(&directory).expect("the journal is ours");
}

/// One after the other, each awaited.
fn alone(directory: &std::path::Path) {
    let journal = open(directory);
    let mut took = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        let position = *journal.append(Lane::Emergencies, &[record()]).end();
        wait(&journal, Lane::Emergencies, position);
        took.push(began.elapsed());
    }
    took.sort();
    println!("alone: p50 {:?}, p99 {:?}", took[100], took[198]);
    journal.close();
}

/// As they come: the writer syncs what has arrived, and the sender stops only for memory.
fn appended(directory: &std::path::Path, batch: u64) {
    let journal = open(directory);
    let records = vec![record(); usize::try_from(batch).expect("small")];
    let progress = journal.progress(Lane::Rest);
    let from = progress.borrow().synced;
    let began = Instant::now();
    let mut last = from;
    while last < from + MESSAGES {
        while journal.usage().lanes[Lane::Rest as usize].pending_bytes > PENDING {
            std::thread::sleep(Duration::from_micros(100));
        }
        for _ in 0..100 {
            last = *journal.append(Lane::Rest, &records).end();
        }
    }
    wait(&journal, Lane::Rest, last);
    let rate = per_second(last - from, began.elapsed());
    let replayed = replay(&journal, last);
    println!("by {batch:>3}: {rate} appended and synced/s; {replayed} replayed/s; {} MiB resident", resident());
    journal.delivered(Lane::Rest, last);
    journal.close();
}

fn replay(journal: &Journal, last: u64) -> u64 {
    let began = Instant::now();
    let mut reader = journal.reader(Lane::Rest).expect("a thread");
    let mut count = 0;
    loop {
        match reader.blocking_next().expect("the journal is open").expect("it can be read") {
            Read::Records(records) => {
                count += records.len() as u64;
                if records.last().is_some_and(|(position, _)| *position == last) {
                    return per_second(count, began.elapsed());
                }
            }
            Read::Damaged(finding) => panic!("{finding}"),
        }
    }
}

fn open(directory: &std::path::Path) -> Journal {
    let lock = loop {
        if let Some(lock) = Lock::try_acquire(directory).expect("a directory") {
            break lock;
        }
    };
    let options = Options { max_bytes: Some(8 << 30), cluster_id: None };
    Journal::open(lock, &options).expect("a journal").0
}

fn wait(journal: &Journal, lane: Lane, position: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(journal.synced(lane, position)).expect("it is written");
}

fn record() -> Record {
    Record {
        lane: Lane::Rest,
        topic: "device.telemetry".into(),
        key: "device-12345".into(),
        headers: vec![("event-id".into(), Some("01JD0000000000000000000000".into()))],
        value: Some(vec![b'x'; 200].into()),
        time: 1_764_000_000_000,
    }
}

fn per_second(count: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(count) * 1_000_000 / took.as_micros().max(1)).unwrap_or(u64::MAX)
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    (pages.unwrap_or(0) * 4096) >> 20
}
