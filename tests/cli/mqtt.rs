//! MQTT servers that misbehave as no real one does on demand: what clients do then, and when they end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::machine::{Finished, Machine};

const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];
/// With a Server Keep Alive in seconds (MQTT 5, 3.2.2.3.14).
const fn connack_with_keep_alive(seconds: u8) -> [u8; 8] {
    [0x20, 6, 0, 0, 3, 0x13, 0, seconds]
}
const SUBACK: &[u8] = &[0x90, 4, 0, 1, 0, 2];
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;

/// A server on a port of its own. `serve` is given each connection and how many there were before; when it returns,
/// the server hangs up.
struct Peer {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    fn new(serve: impl Fn(&mut Caller, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (Arc::clone(&connections), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (number, serve) = (count.fetch_add(1, Ordering::Relaxed), Arc::clone(&serve));
                std::thread::spawn(move || serve(&mut Caller { stream }, number));
            }
        });
        Self { url, connections }
    }

    fn start(&self, machine: &Machine, arguments: &[&str]) -> Child {
        let mut command: Command = machine.command(&[arguments, &["--mqtt", &self.url]].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command to its end, which must come within `bound`.
    fn run(&self, arguments: &[&str], input: &str, bound: Duration) -> Finished {
        let machine = Machine::bare();
        let mut child = self.start(&machine, arguments);
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        end(child, bound)
    }
}

/// What a command leaves behind, which must end within `bound`. It writes less than a pipe holds.
fn end(mut child: Child, bound: Duration) -> Finished {
    let deadline = Instant::now() + bound;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let in_time = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let finished = Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(in_time, "not within {bound:?}: {finished:?}");
    finished
}

struct Caller {
    stream: TcpStream,
}

impl Caller {
    fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next packet's type and what comes after its length; None when the client is gone.
    fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).ok()?;
        let kind = byte[0] >> 4;
        let (mut length, mut shift) = (0, 0);
        loop {
            self.stream.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((kind, body))
    }

    /// Until a packet of this type; None when the client leaves.
    fn hear_until(&mut self, wanted: u8) -> Option<Vec<u8>> {
        loop {
            let (kind, body) = self.hear()?;
            match kind {
                kind if kind == wanted => return Some(body),
                DISCONNECT => return None,
                _ => {}
            }
        }
    }

    fn let_in(&mut self) {
        self.hear_until(CONNECT);
        self.say(CONNACK);
    }

    /// Says nothing more.
    fn stand_still(&mut self) {
        while self.hear().is_some() {}
    }
}

/// A PUBACK for a PUBLISH with QoS 1.
fn acknowledge(publish: &[u8]) -> [u8; 4] {
    let topic = usize::from(u16::from_be_bytes([publish[0], publish[1]]));
    [0x40, 2, publish[2 + topic], publish[3 + topic]]
}

#[test]
fn timeout_counts_from_connecting() {
    let silent = Peer::new(|caller, _| caller.stand_still());
    for arguments in [&["sub", "a/b"][..], &["tail", "a/b"], &["pub", "a/b", "x"]] {
        let finished = silent.run(&[arguments, &["--timeout", "1s"]].concat(), "", Duration::from_secs(3));
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains("did not answer within 1s"), "{arguments:?}: {finished:?}");
    }
    let no_suback = Peer::new(|caller, _| {
        caller.let_in();
        caller.stand_still();
    });
    let finished = no_suback.run(&["sub", "a/b", "--timeout", "1s"], "", Duration::from_secs(3));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("did not answer within 1s"), "{finished:?}");
    let no_puback = Peer::new(|caller, _| {
        caller.let_in();
        caller.stand_still();
    });
    let finished = no_puback.run(&["pub", "a/b", "x", "--timeout", "1s"], "", Duration::from_secs(3));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no acknowledgement came within 1s"), "{finished:?}");
}

#[test]
fn a_server_that_hangs_up_on_every_message_is_given_up() {
    let peer = Peer::new(|caller, _| {
        caller.let_in();
        caller.hear_until(PUBLISH);
        // 0x99: payload format invalid.
        caller.say(&[0xE0, 2, 0x99, 0]);
    });
    let finished = peer.run(&["pub", "a/b", "x"], "", Duration::from_secs(5));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("PayloadFormatInvalid, every time this was sent"), "{finished:?}");
    assert!(finished.stderr.lines().count() < 6, "{finished:?}");
    assert!(peer.connections.load(Ordering::Relaxed) <= 4);

    let peer = Peer::new(|caller, _| {
        caller.let_in();
        caller.hear_until(PUBLISH);
    });
    for qos in ["0", "1", "2"] {
        let lines = "line\n".repeat(3000);
        let arguments = ["pub", "a/b", "--lines", "--qos", qos, "--timeout", "2s"];
        let finished = peer.run(&arguments, &lines, Duration::from_secs(6));
        assert_eq!(finished.code, Some(1), "QoS {qos}: {finished:?}");
        assert!(finished.stderr.contains("3000 of 3000 messages were not acknowledged"), "QoS {qos}: {finished:?}");
        let told = ["the server ended the connection", "the connection was lost"];
        assert!(told.iter().any(|words| finished.stderr.contains(words)), "QoS {qos}: {finished:?}");
    }
    assert!(peer.connections.load(Ordering::Relaxed) < 60, "{:?}", peer.connections);
}

/// The line that a server cannot bear is found and named; all others get through.
#[test]
fn a_message_on_which_the_server_hangs_up_is_named() {
    let peer = Peer::new(|caller, _| {
        caller.let_in();
        while let Some(publish) = caller.hear_until(PUBLISH) {
            if publish.ends_with(b"poison") {
                return;
            }
            caller.say(&acknowledge(&publish));
        }
    });
    let mut lines: Vec<String> = (1..=500).map(|number| format!("line {number}")).collect();
    lines[249] = "poison".to_owned();
    let finished = peer.run(&["pub", "a/b", "--lines"], &(lines.join("\n") + "\n"), Duration::from_secs(10));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("1 of 500 messages were not acknowledged"), "{finished:?}");
    assert!(finished.stderr.contains("line 250: the server ended the connection, every time"), "{finished:?}");
}

#[test]
fn a_publisher_that_connects_again_ends_at_ctrl_c() {
    let peer = Peer::new(|caller, _| {
        caller.let_in();
        caller.hear_until(PUBLISH);
        // 0x8B: server shutting down.
        caller.say(&[0xE0, 2, 0x8B, 0]);
    });
    let machine = Machine::bare();
    let child = peer.start(&machine, &["pub", "a/b", "x", "--timeout", "60s"]);
    while peer.connections.load(Ordering::Relaxed) < 3 {
        std::thread::yield_now();
    }
    interrupt(&child);
    let finished = end(child, Duration::from_secs(3));
    assert_eq!(finished.code, Some(130), "{finished:?}");
}

/// Whoever interrupts has to know which lines may not have arrived, of whatever stands still.
#[test]
fn what_is_under_way_at_ctrl_c_is_named() {
    const HEARD: usize = 3;
    for qos in ["0", "1", "2"] {
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        let peer = Peer::new(move |caller, _| {
            caller.let_in();
            while caller.hear_until(PUBLISH).is_some() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let machine = Machine::bare();
        let mut child = peer.start(&machine, &["pub", "a/b", "--lines", "--qos", qos]);
        let mut input = child.stdin.take().unwrap();
        input.write_all("x\n".repeat(HEARD).as_bytes()).unwrap();
        while heard.load(Ordering::Relaxed) < HEARD {
            std::thread::yield_now();
        }
        interrupt(&child);
        let finished = end(child, Duration::from_secs(3));
        assert_eq!(finished.code, Some(130), "{finished:?}");
        assert!(finished.stderr.contains("\n  lines 1-3: "), "QoS {qos}: {finished:?}");
    }
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

/// What the server says beforehand that it does not take is not sent.
#[test]
fn limits_that_a_server_names_are_kept_to() {
    let peer = Peer::new(|caller, _| {
        caller.hear_until(CONNECT);
        // Maximum QoS 1, no retained messages, packets of 100 bytes at most.
        caller.say(&[0x20, 12, 0, 0, 9, 0x24, 1, 0x25, 0, 0x27, 0, 0, 0, 100]);
        while let Some(publish) = caller.hear_until(PUBLISH) {
            caller.say(&acknowledge(&publish));
        }
    });
    let envelope = |value: &str, more: &str| format!("{{\"topic\":\"a/b\",\"value\":\"{value}\"{more}}}\n");
    let input = envelope("one", "")
        + &envelope("two", ",\"qos\":2")
        + &envelope("three", ",\"retained\":true")
        + &envelope(&"four".repeat(50), "")
        + &envelope("five", "");
    let finished = peer.run(&["pub", "--envelope"], &input, Duration::from_secs(5));
    assert!(finished.stderr.contains("3 of 5 messages were not acknowledged"), "{finished:?}");
    for words in [
        "line 2: the server accepts at most QoS 1",
        "line 3: the server does not support retained messages",
        "line 4: it needs a packet of 213 bytes, and the server accepts at most 100",
    ] {
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
    }
}

#[test]
fn a_server_that_stands_still_is_noticed() {
    let peer = Peer::new(|caller, number| {
        caller.hear_until(CONNECT);
        caller.say(&connack_with_keep_alive(2));
        caller.hear_until(SUBSCRIBE);
        caller.say(SUBACK);
        if number == 0 {
            caller.stand_still();
        }
        // PUBLISH of "x" to a/b.
        caller.say(&[0x30, 7, 0, 3, b'a', b'/', b'b', 0, b'x']);
        caller.hear();
    });
    let finished = peer.run(&["sub", "a/b", "--count", "1"], "", Duration::from_secs(6));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "x\n"), "{finished:?}");
    assert!(finished.stderr.contains("the server has been silent for"), "{finished:?}");
}

#[test]
fn no_keep_alive_is_no_reason_to_ask_all_the_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let peer = Peer::new(move |caller, _| {
        caller.hear_until(CONNECT);
        caller.say(&connack_with_keep_alive(0));
        caller.hear_until(SUBSCRIBE);
        caller.say(SUBACK);
        while caller.hear_until(PINGREQ).is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            caller.say(&[0xD0, 0]);
        }
    });
    let finished = peer.run(&["sub", "a/b", "--timeout", "1s"], "", Duration::from_secs(4));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// Lost between login and subscription, then refused, then without an answer: it goes on, and says each.
#[test]
fn a_subscription_is_taken_up_again_whatever_happens_meanwhile() {
    let peer = Peer::new(|caller, number| {
        if number == 3 {
            // 0x87: not authorised.
            caller.hear_until(CONNECT);
            return caller.say(&[0x20, 3, 0, 0x87, 0]);
        }
        caller.let_in();
        caller.hear_until(SUBSCRIBE);
        match number {
            1 => {}
            0 => caller.say(SUBACK),
            2 => caller.say(&[0x90, 4, 0, 1, 0, 0x87]),
            _ => {
                caller.say(SUBACK);
                caller.say(&[0x30, 7, 0, 3, b'a', b'/', b'b', 0, b'x']);
                caller.hear();
            }
        }
    });
    let finished = peer.run(&["tail", "a/b", "--format", "{value}", "--timeout", "4s"], "", Duration::from_secs(7));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.starts_with("x\n"), "{finished:?}");
    for words in [
        "the server ended the connection; retrying",
        "the server refuses the subscription to a/b: NotAuthorized; retrying for 60s",
        "wrong user name or password; retrying for 60s",
        "messages sent in between may have been missed",
    ] {
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
    }
}

#[test]
fn what_no_server_takes_is_refused_before_it_is_sent() {
    let peer = Peer::new(|caller, _| {
        caller.let_in();
        while let Some(publish) = caller.hear_until(PUBLISH) {
            caller.say(&acknowledge(&publish));
        }
    });
    let deep = vec!["a"; 202].join("/");
    for (arguments, words) in [
        (["pub", "a/b\u{1}", "x", "--retain"], "must not contain control characters"),
        (["sub", "a/b\n", "--count", "1"], "must not contain control characters"),
        (["tail", &deep, "--timeout", "5s"], "201 levels"),
        (["pub", "a/b", "x", "-Hname=two\nlines"], "header \"name\": MQTT strings must not contain control"),
    ] {
        let finished = peer.run(&arguments, "", Duration::from_secs(3));
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(words), "{arguments:?}: {finished:?}");
    }
    let line = |topic: &str, more: &str| format!("{{\"topic\":\"{topic}\",\"value\":1{more}}}\n");
    let long = "x".repeat(65_536);
    let input = line("a/b", "")
        + &line("a/\\u0007", "")
        + &line(&deep, "")
        + &line("a/b", ",\"headers\":[{\"name\":\"n\",\"value\":\"two\\nlines\"}]")
        + &line("a/b", &format!(",\"properties\":{{\"correlation_data\":\"{long}\"}}"))
        + &line("a/b", ",\"properties\":{\"response_topic\":\"a/#\"}")
        + &line(&format!("a/{long}"), "")
        + &line("a/b", "");
    let finished = peer.run(&["pub", "--envelope"], &input, Duration::from_secs(5));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("6 of 8 messages were not acknowledged"), "{}", finished.stderr);
    for words in ["line 2: \"a/\\u{7}\" is not a valid topic", "line 3:", "line 4: header \"n\"", "line 5: correlation"]
    {
        assert!(finished.stderr.contains(words), "{words}: {}", finished.stderr);
    }
    assert_eq!(peer.connections.load(Ordering::Relaxed), 1);
}
