//! pub, sub and tail: everything about messages, on real brokers of either runtime.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::harness::{Finished, Home, On, eventually};
use crate::{
    changes, elsewhere, engines, envelope, frozen, groups, guarded, outages, publishing, reading, terminal, walkthrough,
};

/// Long enough for a busy machine; nothing waits that long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn messages_get_through_whatever_they_are_as_processes() {
    if !On::Process.is_here() {
        return;
    }
    let home = Home::new(On::Process, 22_000);
    reading::expressions_are_refused_before_anything_is_reached(&home);
    changes::a_silent_server_is_not_waited_for(&home);
    up_and_through(&home);
    // Of bytes and certificates, the runtime of the brokers knows nothing.
    envelope::what_sub_prints_pub_sends_byte_for_byte(&home);
    changes::what_cannot_be_read_is_named(&home);
    guarded::a_guarded_cluster_is_spoken_to(&home);
    outages::outages_are_survived(&home);
    frozen::signals_are_heard_while_brokers_stand_still(&home);
    outages::a_server_that_stands_still_is_noticed(&home);
}

#[test]
fn messages_get_through_whatever_they_are_in_docker() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 23_200);
    up_and_through(&home);
    outages::outages_are_survived(&home);
    frozen::signals_are_heard_while_brokers_stand_still(&home);
}

fn up_and_through(home: &Home) {
    let own = ["test.filters", "test.transactions", "test.terminal", "test.engines"];
    let topics = own.map(|name| format!("{{ name: {name}, partitions: 3 }}")).join(", ");
    // A broker holds several copies of what it takes, and one message is large.
    home.write_stack_file(&format!("{{ topics: [{topics}], kafka: {{ heap: 512M }} }}"));
    home.up();
    walkthrough::the_walk_through_works_as_written(home);
    publishing::every_line_is_acknowledged_or_named(home);
    reading::messages_are_found_and_told(home);
    engines::others_can_call_them(home);
    terminal::a_terminal_is_written_for(home);
    groups::groups_are_read_shown_and_reset(home);
    changes::readers_keep_up_with_topics(home);
    elsewhere::other_clusters_are_reached(home);
}

/// Runs a command with this on its stdin.
pub fn feed(home: &Home, arguments: &[&str], input: &[u8]) -> Finished {
    Finished::from(feed_raw(home, arguments, input))
}

/// As [`feed`], with output that need not be text.
pub fn feed_raw(home: &Home, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = home.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that fails early does not read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// A command that runs, with what it says on stderr.
pub struct Running {
    pub child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    /// Starts a command that listens, and waits until it says so.
    pub fn listen(home: &Home, arguments: &[&str]) -> Self {
        let mut running = Self::start(home, arguments);
        running.wait_for("listening to ");
        running
    }

    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::of(home.spawn(arguments))
    }

    /// With a stdin to write to.
    pub fn start_with_stdin(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::of(command.spawn().unwrap())
    }

    /// A command that says nothing to us.
    pub fn of_silent(child: Child) -> Self {
        Self { child, said: channel().1, heard: Vec::new() }
    }

    /// A command whose stderr is a pipe.
    pub fn of(mut child: Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, said) = channel();
        // Read to its end, or the command may block on a full pipe.
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(say.send(line))));
        Self { child, said, heard: Vec::new() }
    }

    /// Until a line on stderr holds this text.
    pub fn wait_for(&mut self, text: &str) {
        while !self.heard.iter().any(|line| line.contains(text)) {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("{text:?} was not said ({error}), only {:?}", self.heard),
            }
        }
    }

    /// What it has said so far.
    pub fn said(&mut self) -> &[String] {
        self.heard.extend(self.said.try_iter());
        &self.heard
    }

    pub fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().unwrap())
    }

    /// Everything on stdout, and the exit code.
    pub fn finish(mut self) -> (Vec<u8>, Option<i32>) {
        let mut bytes = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut bytes).unwrap();
        }
        (bytes, self.code())
    }

    /// Its exit code, once it ends by itself.
    pub fn code(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("the command ends", PATIENCE, || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} said {:#?}", self.child.id(), self.said());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a Kafka topic holds, one line a message.
pub fn read_all(home: &Home, topic: &str, more: &[&str]) -> Vec<u8> {
    let arguments = [&["sub", topic, "--from", "beginning", "--until", "now"], more].concat();
    let output = feed_raw(home, &arguments, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}
