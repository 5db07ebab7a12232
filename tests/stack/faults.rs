//! Bad days: interruptions, taken ports, services that cannot start, two commands at once.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Finished, Home, On, ends_within, eventually, processes_mentioning, send_signal};
use crate::messages::PATIENCE;

#[test]
fn ctrl_c_undoes_what_this_run_made_as_processes() {
    if On::Process.is_here() {
        let home = Home::new(On::Process, 13_000);
        interrupted_early_and_late(&home);
        retained(&home);
        interrupted_changes_leave_what_ran(&home);
    }
}

#[test]
fn ctrl_c_undoes_what_this_run_made_in_docker() {
    if On::Docker.is_here() {
        let home = Home::new(On::Docker, 14_000);
        interrupted_early_and_late(&home);
        home.up();
        what_cannot_be_replaced_goes_on(&home);
        interrupted_changes_leave_what_ran(&home);
    }
}

/// Within this time an interrupted `up` has removed what it made.
const UNDONE: Duration = Duration::from_secs(30);

/// Interrupts an `up` when a line of its progress appears.
pub fn interrupt(home: &Home, more: &[&str], signal: Signal, when: &str) -> Finished {
    let mut arguments = home.up_arguments();
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let mut up = home.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut lines = BufReader::new(up.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains(when) {
        assert!(lines.read_line(&mut seen).unwrap() > 0, "up ended before {when:?}: {seen}");
    }
    send_signal(up.id(), signal);
    let status = ends_within(&mut up, UNDONE);
    lines.read_to_string(&mut seen).unwrap();
    Finished::from(Output { status, stdout: Vec::new(), stderr: seen.into_bytes() })
}

fn interrupted_early_and_late(home: &Home) {
    let early = interrupt(home, &[], Signal::INT, "Starting services");
    assert_eq!(early.code, Some(130), "{early:?}");
    home.assert_nothing_left();
    let late = interrupt(home, &[], Signal::TERM, "all brokers registered");
    assert_eq!(late.code, Some(143), "{late:?}");
    home.assert_nothing_left();
}

fn retained(home: &Home) {
    let kept = interrupt(home, &["--retain"], Signal::INT, "Starting services");
    assert_eq!(kept.code, Some(130), "{kept:?}");
    let dir = home.stack_dir().display().to_string();
    assert_eq!(processes_mentioning(&dir).len(), 7, "all services go on");
    home.up();
}

/// From a signal to the end of the command: a stop in order, and a start, at most.
const BOUND: Duration = Duration::from_secs(60);

enum Moment {
    /// When a line of progress appears.
    Line(&'static str),
    /// While services are being stopped.
    Stopping,
}

/// Interrupts a command at a moment; it ends as interrupted, within the bound, and all services run.
fn interrupt_at(home: &Home, arguments: &[&str], moment: &Moment) {
    let mut command = home.spawn(arguments);
    let mut stderr = BufReader::new(command.stderr.take().unwrap());
    let mut seen = String::new();
    match moment {
        Moment::Line(line) => {
            while !seen.contains(line) {
                assert!(stderr.read_line(&mut seen).unwrap() > 0, "{arguments:?} ended before {line:?}: {seen}");
            }
        }
        Moment::Stopping => {
            let memo = home.stack_dir().join("stack.json");
            // The moment may be short, so no pause between two looks.
            while !std::fs::read_to_string(&memo).unwrap().contains("stopping") {
                assert!(command.try_wait().unwrap().is_none(), "{arguments:?} was over before it was seen");
            }
        }
    }
    let signalled = Instant::now();
    send_signal(command.id(), Signal::INT);
    stderr.read_to_string(&mut seen).unwrap();
    let status = command.wait().unwrap();
    println!("{arguments:?} ended {:?} after its signal", signalled.elapsed());
    assert_eq!(status.code(), Some(130), "{arguments:?}: {seen}");
    assert!(signalled.elapsed() < BOUND, "{arguments:?}: {:?}: {seen}", signalled.elapsed());
    assert_all_run(home, &seen);
}

/// At once, or soon: a broker that was stopped while it started is registered until its ZooKeeper session ends, for which the
/// next one exits, and is started again.
fn assert_all_run(home: &Home, seen: &str) {
    let mut said = String::new();
    eventually(&format!("all services run after {seen}"), PATIENCE, || {
        let status = home.run(&["status", "--output", "json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let services = status["services"].as_array().unwrap();
        let state = |service: &Value| format!("{} {}", service["service"], service["state"]);
        let states = services.iter().map(state).collect::<Vec<_>>().join(", ");
        if states != said {
            println!("{states}");
            said = states;
        }
        services.iter().filter(|service| service["state"] == "running").count() == 7
    });
}

fn interrupted_changes_leave_what_ran(home: &Home) {
    home.ok(&["pub", "audit.access", "precious"]);
    let moments = [Moment::Stopping, Moment::Line("Stopping what changed"), Moment::Line("all brokers registered")];
    for (heap, moment) in [257, 258, 259].into_iter().zip(&moments) {
        home.write_stack_file(&format!("kafka: {{heap: {heap}m}}"));
        interrupt_at(home, &["up"], moment);
    }
    home.ok(&["up"]);
    interrupt_at(home, &["restart", "kafka-1"], &Moment::Stopping);
    interrupt_at(home, &["down", "--volumes", "--yes"], &Moment::Stopping);

    // What did not run before does not run afterwards, and keeps its data.
    home.ok(&["down"]);
    let undone = interrupt(home, &[], Signal::INT, "quorum of 3");
    assert_eq!(undone.code, Some(130), "{undone:?}");
    assert!(home.run(&["status"]).stderr.contains("is not running"));
    home.ok(&["up"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
    let read = home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert!(read.contains("precious\n"), "{read}");
}

/// An image without Java: brokers of it can be created, but not started.
fn what_cannot_be_replaced_goes_on(home: &Home) {
    let image = format!("sosstack-test/empty:{}", home.stack);
    let archive = tempfile::tempfile().unwrap();
    archive.set_len(10_240).unwrap();
    docker(Command::new("docker").args(["import", "-", &image]).stdin(archive));
    home.write_stack_file(&format!("kafka: {{image: {image:?}}}"));
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_all_run(home, &refused.stderr);
    std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
    home.ok(&["up"]);
    docker(Command::new("docker").args(["rmi", &image]));
}

fn docker(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn a_taken_port_is_named_with_its_owner_and_nothing_is_started() {
    for (on, offset) in [(On::Process, 15_000), (On::Docker, 16_000)] {
        if !on.is_here() {
            continue;
        }
        let home = Home::new(on, offset);
        let _taken = TcpListener::bind(("127.0.0.1", 9093 + offset)).unwrap();
        let _wide = TcpListener::bind(("0.0.0.0", 1883 + offset)).unwrap();
        let arguments = home.up_arguments();
        let refused = home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let me = std::process::id();
        for port in [format!("{} (kafka-1)", 9093 + offset), format!("{} (mosquitto)", 1883 + offset)] {
            let line = refused.stderr.lines().find(|line| line.contains(&port));
            let line = line.unwrap_or_else(|| panic!("{port} is not named: {refused:?}"));
            assert!(line.contains(&format!("(pid {me})")), "{line}");
        }
        assert!(refused.stderr.contains("--port-offset"), "{refused:?}");
        home.assert_nothing_left();
    }
}

#[test]
fn a_service_that_cannot_start_is_shown_with_its_last_words() {
    for (on, offset) in [(On::Process, 17_000), (On::Docker, 18_000)] {
        if !on.is_here() {
            continue;
        }
        let home = Home::new(on, offset);
        home.write_stack_file("kafka: {config: {num.network.threads: 0}}");
        let arguments = home.up_arguments();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--timeout", "60s"]);
        let failed = home.run(&arguments);
        assert_eq!(failed.code, Some(4), "{failed:?}");
        assert!(failed.stderr.contains("num.network.threads"), "the log's reason is shown: {failed:?}");
        assert!(failed.stderr.contains("try: sosstack logs kafka-"), "{failed:?}");
        // Everything stays as evidence, and a corrected file heals it.
        std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
        home.ok(&["up"]);
        assert_eq!(home.json(&["status"])["healthy"], true);
    }
}

#[test]
fn a_second_up_waits_for_the_first() {
    if !On::Process.is_here() {
        return;
    }
    let home = Home::new(On::Process, 19_500);
    let arguments = home.up_arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let first = home.spawn(&arguments);
    eventually("the first up holds the lock", Duration::from_secs(10), || {
        std::fs::read_to_string(home.stack_dir().with_extension("lock")).is_ok_and(|text| text.contains("pid"))
    });
    let impatient = home.run(&[&arguments[..], &["--timeout", "1s"]].concat());
    assert_eq!(impatient.code, Some(1), "{impatient:?}");
    assert!(impatient.stderr.contains(&format!("sosstack up (pid {}) is still working", first.id())), "{impatient:?}");
    let second = home.run(&arguments);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(second.stderr.contains("waiting for it to end"), "{second:?}");
    assert!(second.stderr.contains("was already up"), "{second:?}");
    let first = Finished::from(first.wait_with_output().unwrap());
    assert_eq!(first.code, Some(0), "{first:?}");
}

#[test]
fn a_killed_up_is_healed_by_the_next_one() {
    for (on, offset) in [(On::Process, 20_000), (On::Docker, 21_000)] {
        if !on.is_here() {
            continue;
        }
        let home = Home::new(on, offset);
        let killed = interrupt(&home, &[], Signal::KILL, "Starting services");
        assert_eq!(killed.code, None, "{killed:?}");
        home.up();
        assert_eq!(home.json(&["status"])["healthy"], true);
    }
}
