//! Ctrl-C and SIGTERM while something that a command waits for stands still: it ends at once, and nothing is done.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::machine::{Finished, Machine, collect};
use crate::peer::Daemon;
use crate::pty::open_terminal;

/// Within this time an interrupted command has ended, on a busy machine too. What it waited for takes longer.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that runs, and is ended with its test.
struct Running<'a> {
    machine: &'a Machine,
    child: Option<Child>,
    words: String,
    /// What was read of its stderr so far.
    said: String,
}

impl<'a> Running<'a> {
    fn start(machine: &'a Machine, command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { machine, child: Some(child), words: format!("{command:?}"), said: String::new() }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    fn send(&mut self, signal: Signal) {
        let pid = Pid::from_raw(self.child().id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sends a signal; the command must end at once.
    fn interrupt(mut self, signal: Signal) -> Finished {
        self.wait_until_heeded(signal);
        self.send(signal);
        self.end()
    }

    /// What was reached may have been the command's before: until this one has a handler, a signal ends it without a word.
    fn wait_until_heeded(&mut self, signal: Signal) {
        let status = format!("/proc/{}/status", self.child().id());
        if !std::path::Path::new(&status).exists() {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        let caught = || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).unwrap_or_default();
            u64::from_str_radix(mask, 16).unwrap_or_default()
        };
        while caught() & (1 << (signal.as_raw() - 1)) == 0 {
            assert!(Instant::now() < deadline, "no handler: {}", self.words);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Until stderr holds this text, of which no line need be complete.
    fn wait_for(&mut self, text: &str) {
        while !self.said.contains(text) {
            let mut piece = [0; 256];
            let length = self.child().stderr.as_mut().unwrap().read(&mut piece).unwrap();
            assert!(length > 0, "{text:?} was not said, only {:?}", self.said);
            self.said.push_str(str::from_utf8(&piece[..length]).unwrap());
        }
    }

    fn end(mut self) -> Finished {
        let deadline = Instant::now() + AT_ONCE;
        while self.child().try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "still there {AT_ONCE:?} after the signal: {}", self.words);
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut finished = collect(self.child.take().unwrap().wait_with_output().unwrap(), self.machine.path());
        finished.stderr.insert_str(0, &self.said);
        finished
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
        }
    }
}

/// Each command is interrupted when it has reached what stands still, by both signals in turn.
fn all_end_at_once<'a>(machine: &'a Machine, reached: &Receiver<()>, commands: impl Iterator<Item = Vec<&'a str>>) {
    for (number, arguments) in commands.enumerate() {
        while reached.try_recv().is_ok() {}
        let running = Running::start(machine, &mut machine.command(&arguments));
        reached.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{arguments:?} reached nothing"));
        let (signal, code) = if number % 2 == 0 { (Signal::INT, 130) } else { (Signal::TERM, 143) };
        let finished = running.interrupt(signal);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.ends_with("error: interrupted\n"), "{arguments:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
}

#[test]
fn brokers_that_accept_and_say_nothing_hold_up_no_command() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (say, reached) = channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming() {
            held.push(connection);
            let _ = say.send(());
        }
    });
    let machine = Machine::bare();
    let kafka = [
        "group list",
        "group describe g",
        "group reset g --to now --yes",
        "topic list",
        "topic describe a.b",
        "topic create a.b",
        "topic alter a.b --partitions 9",
        "topic delete a.b --yes",
        "pub a.b {}",
        "sub a.b",
        "sub a.b --group g --ack",
        "tail a.b",
    ];
    let mqtt = ["pub a/b {}", "sub a/b", "tail a/b"];
    let url = format!("mqtt://{address}");
    let with = |words: &'static str, more: [&'static str; 1]| words.split(' ').chain(more).collect::<Vec<_>>();
    let kafka = kafka.map(|words| [with(words, ["--bootstrap"]), vec![&address]].concat());
    let mqtt = mqtt.map(|words| [with(words, ["--mqtt"]), vec![&url]].concat());
    all_end_at_once(&machine, &reached, kafka.into_iter().chain(mqtt));
}

#[test]
fn a_daemon_that_says_nothing_holds_up_no_command() {
    let machine = Machine::bare();
    let reached = Daemon::Mute.listen(&machine);
    let commands = [
        "up --runtime docker",
        "status",
        "doctor",
        "list",
        "env",
        "logs",
        "config",
        "seed",
        "stop",
        "start",
        "restart",
        "down --volumes --yes",
        "prune --yes",
        "device add device-1",
        "images list",
        "images save images.tar",
        "images load sosstack.tar",
        "topic list",
        "group list",
        "pub a.b {}",
        "sub a.b",
    ];
    all_end_at_once(&machine, &reached, commands.iter().map(|words| words.split(' ').collect()));
}

/// It gives its version and nothing else, so that commands get further.
#[test]
fn a_daemon_that_stops_to_answer_holds_up_no_command() {
    let machine = Machine::bare().with_file("images.tar", "none");
    let reached = Daemon::Stuck.listen(&machine);
    let commands = [
        "up --runtime docker",
        "status",
        "down",
        "list",
        "images list",
        "images save saved.tar",
        "images load images.tar",
    ];
    all_end_at_once(&machine, &reached, commands.iter().map(|words| words.split(' ').collect()));
    let left: Vec<_> = std::fs::read_dir(machine.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("saved")), "{left:?}");
    assert!(stacks(&machine).is_empty(), "nothing is left of the interrupted up");
}

/// The lock that a command takes to change a stack.
#[test]
fn a_lock_that_another_holds_holds_up_no_command() {
    let machine = Machine::bare();
    assert_eq!(machine.run(&["down"]).code, Some(0));
    let _held = machine.hold_lock();
    for (arguments, signal, code) in [(["up"], Signal::INT, 130), (["down"], Signal::TERM, 143)] {
        let mut running = Running::start(&machine, &mut machine.command(&arguments));
        running.wait_for("waiting for it to end");
        let finished = running.interrupt(signal);
        assert_eq!(finished.code, Some(code), "{finished:?}");
    }
}

/// kubectl and its program in a pod are the child of a command; it ends with it.
#[test]
fn a_cluster_that_does_not_answer_holds_up_no_verify() {
    let machine = Machine::bare().with_fake("kubectl", "echo $$ > \"$HOME/pid\"; exec sleep 600");
    let machine = machine.with_own("sleep").unwrap();
    let running = Running::start(&machine, &mut machine.command(&["verify", "k8s"]));
    let child = pid_in(&machine);
    let finished = running.interrupt(Signal::INT);
    assert_eq!(finished.code, Some(130), "{finished:?}");
    has_ended(child);
}

/// Maven's launcher is a script that starts a Java: both end, and nothing of the fetch is left.
#[test]
fn a_repository_that_does_not_answer_holds_up_no_up() {
    let fake = "sleep 600 & echo $! > \"$HOME/pid\"; wait";
    // The second signal ends everything at once. Which of two is heard first is chance, and so is how far the end has come.
    let twice = &[Signal::INT, Signal::TERM][..];
    for signals in [&[Signal::INT][..], &[Signal::TERM], twice, twice, twice, twice] {
        let machine = Machine::bare().with_fake("mvn", fake).with_own("sleep").unwrap();
        let machine = machine
            .with_fake("java", r#"echo 'openjdk version "17.0.15" 2025-04-15' >&2"#)
            .with_fake("mosquitto", "echo 'mosquitto version 2.0.22'; exit 3");
        let mut running = Running::start(&machine, &mut machine.command(&["up", "--runtime", "process"]));
        let child = pid_in(&machine);
        for signal in signals {
            running.send(*signal);
        }
        let finished = running.end();
        let of = |signal: &Signal| Some(128 + signal.as_raw());
        assert!(signals.iter().any(|signal| of(signal) == finished.code), "{finished:?}");
        has_ended(child);
        if signals.len() == 1 {
            assert!(stacks(&machine).is_empty(), "{finished:?}");
        }
    }
}

/// Who reads a pipe to its end, or waits for its next line, is not deaf to signals.
#[test]
fn a_pipe_on_which_nothing_comes_holds_up_no_command() {
    let machine = Machine::bare();
    for arguments in [
        &["pub", "a.b", "--lines", "--bootstrap", "127.0.0.1:9"][..],
        &["pub", "a/b", "--lines", "--mqtt", "mqtt://127.0.0.1:9"],
        &["pub", "a.b", "-", "--bootstrap", "127.0.0.1:9"],
        &["device", "add", "--from", "-"],
    ] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let running = Running::start(&machine, machine.command(arguments).stdin(reader.try_clone().unwrap()));
        writer.write_all(b"the beginning of a line").unwrap();
        eventually(&format!("{arguments:?} reads"), || rustix::io::ioctl_fionread(&reader).unwrap() == 0);
        let finished = running.interrupt(Signal::INT);
        assert_eq!(finished.code, Some(130), "{arguments:?}: {finished:?}");
    }
}

/// A `y` that comes after Ctrl-C answers nothing.
#[test]
fn ctrl_c_at_a_question_is_a_no() {
    let machine = Machine::bare();
    let waste = machine.path().join(".cache/sosstack/jars/kafka-3.0.0-zookeeper-3.6.0");
    std::fs::create_dir_all(&waste).unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut screen, terminal) = open_terminal();
        let before = rustix::termios::tcgetattr(&terminal).unwrap();
        let mut command = machine.command(&["prune"]);
        let mut running = Running::start(&machine, command.stdin(Stdio::from(terminal.try_clone().unwrap())));
        running.wait_for("Remove all of it? [y/N]");
        let finished = running.interrupt(signal);
        screen.write_all(b"y\n").unwrap();
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.stderr.ends_with("[y/N] \nerror: interrupted\n"), "{finished:?}");
        assert!(waste.is_dir(), "nothing is removed");
        let after = rustix::termios::tcgetattr(&terminal).unwrap();
        assert_eq!(before.local_modes, after.local_modes, "the terminal is as it was");
    }
    let (mut screen, terminal) = open_terminal();
    let mut running = Running::start(&machine, machine.command(&["prune"]).stdin(Stdio::from(terminal)));
    running.wait_for("Remove all of it? [y/N]");
    screen.write_all(b"y\n").unwrap();
    assert_eq!(running.end().code, Some(0));
    assert!(!waste.is_dir(), "a yes is heard");
}

/// The directories of stacks.
fn stacks(machine: &Machine) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(machine.path().join(".local/share/sosstack/stacks")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// The process id that a fake program wrote into its home.
fn pid_in(machine: &Machine) -> Pid {
    let file = machine.path().join("pid");
    let read = || std::fs::read_to_string(&file).ok()?.trim().parse().ok().and_then(Pid::from_raw);
    eventually("the program runs", || read().is_some());
    read().unwrap()
}

fn has_ended(pid: Pid) {
    eventually("the child has ended", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
        // In a container, nobody may collect what is orphaned.
        status.is_ok_and(|status| status.contains("State:\tZ")) || rustix::process::test_kill_process(pid).is_err()
    });
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
