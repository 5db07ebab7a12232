//! Brokers that stand still, as on a machine that swaps: whoever waits for them hears signals all the same.

use std::io::{BufRead, Write};
use std::process::{ChildStdin, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Home, On, eventually, interrupt, send_signal};
use crate::messages::{PATIENCE, Running};

const TOPIC: &str = "audit.changes";
/// More than the queues on the way to the brokers take, in bytes.
const FLOOD: usize = 100 * 1024 * 1024;
/// Who has written nothing for so long waits for somebody.
const STILL: Duration = Duration::from_secs(1);

pub fn signals_are_heard_while_brokers_stand_still(home: &Home) {
    let brokers = handles(home);
    a_round_trip_is_broken_off(home, &brokers[..1]);
    // At work when their brokers freeze.
    let mut member = Running::listen(home, &["sub", TOPIC, "--group", "frozen", "--ack"]);
    let mut logs = Running::start(home, &["logs", "--follow", "--tail", "1"]);
    let mut logged = logs.stdout().lines().map(Result::unwrap);
    let mut tail = Running::listen(home, &["tail", TOPIC, "device/frozen/telemetry"]);
    let (mut publisher, mut line) = publishing(home);
    let (mut flooder, mut flood) = publishing(home);
    line.write_all(b"first\n").unwrap();
    flood.write_all(b"second\n").unwrap();
    let mut shown = member.stdout().lines().map(Result::unwrap);
    assert!(shown.next().is_some() && shown.next().is_some());
    // Who reads may be told before who wrote; by the end of a whole command both have been.
    home.ok(&["pub", TOPIC, "third"]);
    assert!(logged.next().is_some());
    freeze(home, &brokers);
    line.write_all(b"never acknowledged\n").unwrap();
    eventually("the line is read", PATIENCE, || rustix::io::ioctl_fionread(&line).unwrap() == 0);
    let is_still = pour(flood);
    every_question_is_broken_off(home);
    assert_eq!(interrupt(&mut logs.child, Signal::TERM), Some(0));
    assert_eq!(interrupt(&mut tail.child, Signal::INT), Some(0));
    assert_eq!(interrupt(&mut member.child, Signal::TERM), Some(0));
    assert_eq!(interrupt(&mut publisher.child, Signal::INT), Some(130));
    publisher.wait_for("interrupted: 1 message to audit.changes was acknowledged");
    publisher.wait_for("line 2: interrupted before it was ");
    eventually("the queues are full", PATIENCE, is_still);
    assert_eq!(interrupt(&mut flooder.child, Signal::TERM), Some(143));
    flooder.wait_for("interrupted: 1 message to audit.changes was acknowledged");
    flooder.wait_for(": interrupted before it was sent");
    thaw(home, &brokers);
    home.ok(&["up"]);
}

/// One broker is enough to keep a message from being acknowledged by all.
fn a_round_trip_is_broken_off(home: &Home, broker: &[String]) {
    freeze(home, broker);
    break_off(home, &["doctor"], 130);
    thaw(home, broker);
}

fn every_question_is_broken_off(home: &Home) {
    // Not seed and up: the one refuses what Mosquitto would not hear of, the other lets all go on.
    let commands: [(&[&str], i32); 9] = [
        (&["group", "list"], 130),
        (&["group", "describe", "frozen"], 130),
        (&["group", "reset", "frozen", "--to", "now", "--yes"], 130),
        (&["topic", "list"], 130),
        (&["topic", "describe", TOPIC], 130),
        (&["topic", "create", "test.frozen"], 130),
        (&["doctor"], 130),
        (&["status", "--watch"], 0),
        (&["pub", TOPIC, "{}"], 130),
    ];
    for (arguments, code) in commands {
        break_off(home, arguments, code);
    }
}

/// Interrupts a command that waits for brokers.
fn break_off(home: &Home, arguments: &[&str], code: i32) {
    let mut running = Running::start(home, arguments);
    eventually(&format!("{arguments:?} asks"), PATIENCE, || {
        assert_eq!(running.child.try_wait().unwrap(), None, "{arguments:?} ended: {:?}", running.said());
        asks_kafka(running.child.id())
    });
    assert_eq!(interrupt(&mut running.child, Signal::INT), Some(code), "{arguments:?}");
}

/// Whether a process has threads of Kafka's client library.
fn asks_kafka(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).ok();
    threads.filter_map(name).any(|name| name.starts_with("rdk:"))
}

fn publishing(home: &Home) -> (Running, ChildStdin) {
    let mut running = Running::start_with_stdin(home, &["pub", TOPIC, "--lines"]);
    let stdin = running.child.stdin.take().unwrap();
    (running, stdin)
}

/// Writes lines until nobody takes them any more; whether that is so.
fn pour(mut flood: ChildStdin) -> impl FnMut() -> bool {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    std::thread::spawn(move || {
        let line = format!("{}\n", "x".repeat(1000));
        while count.load(Ordering::Relaxed) < FLOOD && flood.write_all(line.as_bytes()).is_ok() {
            count.fetch_add(line.len(), Ordering::Relaxed);
        }
    });
    let mut last = (0, Instant::now());
    move || {
        let now = written.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        now > 0 && last.1.elapsed() >= STILL
    }
}

/// What the brokers' runtime calls them, Kafka's first.
fn handles(home: &Home) -> Vec<String> {
    let status = home.json(&["status"]);
    let of = |index: usize| status["services"][index]["handle"].as_str().unwrap().to_owned();
    (3..7).map(of).collect()
}

fn freeze(home: &Home, handles: &[String]) {
    turn(home, handles, "pause", Signal::STOP);
}

fn thaw(home: &Home, handles: &[String]) {
    turn(home, handles, "unpause", Signal::CONT);
}

fn turn(home: &Home, handles: &[String], command: &str, signal: Signal) {
    match home.on {
        On::Docker => {
            let turned = Command::new("docker").arg(command).args(handles).output().unwrap();
            assert!(turned.status.success(), "{turned:?}");
        }
        On::Process => handles.iter().for_each(|pid| send_signal(pid.parse().unwrap(), signal)),
    }
}
