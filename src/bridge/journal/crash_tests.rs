//! Processes that are killed, and disks that are full, while a journal is written.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tests::{await_that, open, read_through, record, wait_synced};
use super::*;

const LANE: Lane = Lane::Emergencies;
/// The directory in which [`a_process_that_appends`] is to append.
const DIRECTORY: &str = "SOSSTACK_TEST_JOURNAL";
/// How many records it appends before it waits until they are synced.
const GROUP: u64 = 20;

/// No test: the process that the others start and kill. It says on stderr what is synced.
#[test]
fn a_process_that_appends() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let (journal, _) = open(Path::new(&directory));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    loop {
        let next = journal.usage().lanes[0].records + 1;
        let records: Vec<Record> = (next..next + GROUP).map(|number| record(LANE, number)).collect();
        let last = *journal.append(LANE, &records).end();
        wait_synced(&journal, LANE, last);
        let digest = Digest::of("panic", &last.to_le_bytes());
        let packet_id = u16::try_from(last % 10_000 + 1).unwrap();
        runtime.block_on(journal.receipts().remember("session", packet_id, digest, &last.to_string())).unwrap();
        eprintln!("synced {last}");
    }
}

/// That process, started by a shell after some words of it.
fn appends(directory: &Path, words: &str) -> Child {
    let name = "bridge::journal::crash_tests::a_process_that_appends";
    Command::new("sh")
        .args(["-c", &format!("{words} exec \"$0\" --exact {name} --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills it when it has said that `count` are synced; the last that it said.
fn kill_after(mut child: Child, count: u64) -> u64 {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut synced = 0;
    let mut heard = String::new();
    let mut hear = |line: std::io::Result<String>| {
        let line = line.unwrap();
        match line.strip_prefix("synced ").and_then(|number| number.parse().ok()) {
            Some(number) => synced = number,
            None => heard += &line,
        }
        synced
    };
    while lines.next().is_some_and(|line| hear(line) < count) {}
    child.kill().unwrap();
    // What it had said when the kill came counts too, but for a line that was cut.
    for line in lines.map_while(Result::ok).filter(|line| !line.is_empty()) {
        hear(Ok(line));
    }
    child.wait().unwrap();
    assert!(synced >= count, "it ended early: {heard}");
    synced
}

/// Opens the journal and sees that everything up to `synced` is there, once, in order, and hardly more.
fn assert_holds(directory: &Path, synced: u64) -> u64 {
    await_that("the lock is free", || Lock::try_acquire(directory).unwrap().is_some());
    let (journal, opened) = open(directory);
    assert!(opened.findings.iter().all(|finding| finding.kind == Kind::Torn), "{:?}", opened.findings);
    let there = journal.usage().lanes[0].records;
    assert!((synced..=synced + GROUP).contains(&there), "{there} of {synced}");
    let (records, findings) = read_through(&journal, LANE, there);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(records.len() as u64, there);
    for (at, (position, read)) in (1..).zip(&records) {
        assert_eq!((*position, read), (at, &record(LANE, at)));
    }
    let digest = Digest::of("panic", &synced.to_le_bytes());
    let recalled = journal.receipts().recall("session", u16::try_from(synced % 10_000 + 1).unwrap(), &digest);
    assert_eq!(recalled.as_deref(), Some(synced.to_string().as_str()));
    journal.close();
    there
}

#[test]
fn nothing_that_was_synced_is_lost_by_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut there = 0;
    for round in 0..8 {
        // At moments that differ by less than what a group takes.
        let synced = kill_after(appends(dir.path(), ""), there + GROUP * (1 + round));
        there = assert_holds(dir.path(), synced);
    }
}

#[test]
fn a_file_that_may_not_grow_is_left_for_another() {
    let dir = tempfile::tempdir().unwrap();
    // Files of 64 blocks at most, of 512 or 1,024 bytes by shell; the refusal comes as an error, not as a signal.
    let child = appends(dir.path(), "trap '' XFSZ; ulimit -f 64;");
    let synced = kill_after(child, 2_000);
    assert_holds(dir.path(), synced);
    assert!(segment::list(&dir.path().join(LANE.as_str())).unwrap().len() > 2);
}

/// A file system in memory, as small as a test wants it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1M", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_holds_up_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path()) else {
        println!("SKIPPED: only root may mount a small disk");
        return;
    };
    let directory = dir.path().join("journal");
    let (journal, _) = open(&directory);
    let progress = journal.progress(LANE);
    let mut last = 0;
    while progress.borrow().problem.is_none() {
        last = *journal.append(LANE, &[record(LANE, last + 1)]).end();
        if last % 100 == 0 {
            await_that("some answer", || {
                let progress = progress.borrow();
                progress.synced >= last || progress.problem.is_some()
            });
        }
    }
    let stopped = progress.borrow().clone();
    let problem = stopped.problem.unwrap();
    assert!(problem.cause.contains("No space left on device"), "{}", problem.cause);
    assert!(problem.remedy.unwrap().as_str().starts_with("free space on the disk"));
    assert!(stopped.synced > 1_000 && stopped.synced < last, "{}", stopped.synced);
    // What is synced can be read meanwhile, and delivering goes on.
    let (records, findings) = read_through(&journal, LANE, stopped.synced);
    assert_eq!((records.len() as u64, findings), (stopped.synced, vec![]));
    disk.remount("size=4M");
    wait_synced(&journal, LANE, last);
    assert_eq!(progress.borrow().problem, None);
    let (records, findings) = read_through(&journal, LANE, last);
    assert!(findings.is_empty(), "{findings:?}");
    assert!((1..).zip(&records).all(|(at, (position, read))| (*position, read) == (at, &record(LANE, at))));
    journal.close();
    drop(journal);

    disk.remount("ro");
    let refusal = Lock::try_acquire(&directory).unwrap_err();
    assert!(refusal.to_string().contains("Read-only file system"), "{refusal}");
    assert!(crate::failure::remedy(&refusal).unwrap().as_str().contains("--journal"), "{refusal}");
    assert_eq!(inspect(&directory).unwrap().messages, last);
}
