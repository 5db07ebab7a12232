//! What happens to topics while they are read: readers show everything, or say what they do not.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::harness::{Home, eventually, send_signal};
use crate::messages::{PATIENCE, Running, feed, lines, read_all};

pub fn readers_keep_up_with_topics(home: &Home) {
    topics_come_and_go_everywhere_at_once(home);
    every_codec_is_read(home);
    what_comes_while_reading_is_read(home);
    a_topic_that_is_made_again_is_read_again(home);
    names_that_are_not_known_are_told(home);
}

/// Whoever comes next may ask any broker, and what is being deleted is in the way of what comes after it.
fn topics_come_and_go_everywhere_at_once(home: &Home) {
    home.ok(&["topic", "create", "come.and.go"]);
    for round in 0..3 {
        home.ok(&["pub", "come.and.go", "{}"]);
        home.ok(&["topic", "delete", "come.and.go", "--yes"]);
        let begun = Instant::now();
        home.ok(&["topic", "create", "come.and.go"]);
        assert!(begun.elapsed() < PATIENCE, "round {round}: {:?}", begun.elapsed());
    }
    home.ok(&["topic", "delete", "come.and.go", "--yes"]);
}

/// Each by a producer of its own, and stored as it came.
fn every_codec_is_read(home: &Home) {
    const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
    home.ok(&["topic", "create", "test.codecs", "-p", "1", "-c", "compression.type=producer"]);
    for codec in CODECS {
        let producer = producer(home, codec);
        let value = format!("{codec} {}", "is worth it ".repeat(50));
        producer.send(BaseRecord::<(), str>::to("test.codecs").payload(&value)).unwrap();
        producer.flush(PATIENCE).unwrap();
    }
    let first_words = |text: &str| text.split(' ').next().unwrap().to_owned();
    let read: Vec<String> = lines(&read_all(home, "test.codecs", &[])).iter().map(|line| first_words(line)).collect();
    assert_eq!(read, CODECS);
    let mut tail = Running::listen(home, &["tail", "test.codecs", "--since", "1d", "--format", "{value}"]);
    let shown: Vec<String> = tail.stdout().lines().take(5).map(|line| first_words(&line.unwrap())).collect();
    assert_eq!(shown, CODECS);
}

fn producer(home: &Home, codec: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &home.environment()["KAFKA_BROKERS"]).set("compression.type", codec);
    config.create().unwrap()
}

/// Partitions and topics that are added are read from their beginning, by everybody who reads.
fn what_comes_while_reading_is_read(home: &Home) {
    home.ok(&["topic", "create", "grow.one", "-p", "1"]);
    home.ok(&["pub", "grow.one", "before it all"]);
    let to_sixty = ["--count", "60", "--timeout", "60s"];
    let alone = Running::listen(home, &[&["sub", "grow.one"][..], &to_sixty].concat());
    let member = Running::listen(home, &[&["sub", "grow.one", "--group", "grown", "--ack"][..], &to_sixty].concat());
    let people = ["tail", "grow.*", "--since", "1d", "--format", "{topic} {value}", "--timeout", "60s"];
    let mut people = Running::listen(home, &people);
    home.ok(&["topic", "alter", "grow.one", "-p", "6"]);
    home.ok(&["topic", "create", "grow.two", "-p", "2"]);
    let numbers: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
    let sent = numbers.join("\n");
    assert_eq!(feed(home, &["pub", "grow.one", "--lines", "--key-from", "."], sent.as_bytes()).code, Some(0));
    assert_eq!(feed(home, &["pub", "grow.two", "--lines", "--key-from", "."], sent.as_bytes()).code, Some(0));

    for reader in [alone, member] {
        let (read, code) = reader.finish();
        assert_eq!(code, Some(0));
        let mut read: Vec<u32> = lines(&read).iter().map(|line| line.parse().unwrap()).collect();
        read.sort_unstable();
        assert_eq!(read, (1..=60).collect::<Vec<_>>());
    }
    let mut shown: Vec<String> = people.stdout().lines().take(121).map(Result::unwrap).collect();
    let all = numbers.iter().flat_map(|number| [format!("grow.one {number}"), format!("grow.two {number}")]);
    let mut all: Vec<String> = all.chain(["grow.one before it all".to_owned()]).collect();
    shown.sort();
    all.sort();
    assert_eq!(shown, all);
    people.wait_for("grow.one has 5 more partitions, which are read from the beginning");
    people.wait_for("topic grow.two is new");

    // What came while nobody of the group was there is new to it, too.
    home.ok(&["topic", "alter", "grow.one", "-p", "9"]);
    assert_eq!(feed(home, &["pub", "grow.one", "--lines", "--key-from", "."], sent.as_bytes()).code, Some(0));
    let later = home.ok(&[&["sub", "grow.one", "--group", "grown", "--ack"][..], &to_sixty].concat());
    assert_eq!(later.lines().count(), 60);
}

/// It holds more than the old one did: by its offsets alone, nobody would notice.
fn a_topic_that_is_made_again_is_read_again(home: &Home) {
    let environment = home.environment();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &environment["KAFKA_BROKERS"]).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A topic that is being deleted is in the way of the new one for a moment.
    let make = |name: &str| {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        eventually("the topic is made", PATIENCE, || {
            let topic = NewTopic::new(name, 1, TopicReplication::Fixed(3));
            runtime.block_on(admin.create_topics(&[topic], &options)).unwrap()[0].is_ok()
        });
    };
    make("again.one");
    make("again.two");
    let publish =
        |topic: &str, text: &str| assert_eq!(feed(home, &["pub", topic, "-l"], text.as_bytes()).code, Some(0));
    publish("again.one", "old 1\nold 2\n");
    let targets = ["sub", "again.one", "again.two", "--from", "beginning", "--timeout", "60s"];
    let readers = [&[][..], &["--group", "again"]].map(|more: &[&str]| {
        let mut reader = Running::listen(home, &[&targets[..], more].concat());
        let mut shown = reader.stdout().lines().map(Result::unwrap);
        assert_eq!([shown.next().unwrap(), shown.next().unwrap()], ["old 1", "old 2"]);
        (reader, shown)
    });
    home.ok(&["topic", "delete", "again.one", "--yes"]);
    make("again.one");
    publish("again.one", "new 1\nnew 2\nnew 3\nnew 4\nnew 5\n");
    publish("again.two", "the other goes on\n");
    for ((mut reader, shown), as_what) in readers.into_iter().zip(["whoever is alone", "a member"]) {
        // What came before it was noticed may come twice.
        let mut missing: BTreeSet<&str> = ["new 1", "new 2", "new 3", "new 4", "new 5", "the other goes on"].into();
        for line in shown {
            missing.remove(line.as_str());
            if missing.is_empty() {
                break;
            }
        }
        reader.wait_for("topic again.one was deleted");
        assert_eq!(missing, BTreeSet::new(), "{as_what} reads on");
        send_signal(reader.child.id(), rustix::process::Signal::INT);
        assert_eq!(reader.code(), Some(0));
    }
}

/// A byte is another one on the disks of all brokers. Who reads to an end is told where, and does not wait for ever.
pub fn what_cannot_be_read_is_named(home: &Home) {
    home.ok(&["topic", "create", "test.corrupt", "-p", "2"]);
    let producer = producer(home, "none");
    for (partition, value) in [(0, "damaged"), (1, "sound"), (1, "sound")] {
        producer.send(BaseRecord::<(), str>::to("test.corrupt").partition(partition).payload(value)).unwrap();
        producer.flush(PATIENCE).unwrap();
    }
    let mut damaged = 0;
    for log in segments(home.path(), "test.corrupt-") {
        let mut bytes = std::fs::read(&log).unwrap();
        if let Some(at) = bytes.windows(7).position(|window| window == b"damaged") {
            bytes[at] = b'D';
            std::fs::write(&log, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 3, "each broker has a copy");
    let read = home.run(&["sub", "test.corrupt", "--from", "beginning", "--until", "now"]);
    assert_eq!(read.code, Some(1), "{read:?}");
    assert_eq!(read.stdout, "sound\nsound\n", "all else is printed");
    assert!(read.stderr.contains("not everything could be read: test.corrupt[0]@0 cannot be read"), "{read:?}");
    let counted = home.run(&["sub", "test.corrupt", "-p", "0", "--from", "beginning", "--count", "1"]);
    assert_eq!(counted.code, Some(1), "it does not wait for what cannot come: {counted:?}");
    for more in [&["--since", "1d"][..], &["--last", "5"]] {
        let mut tail = Running::listen(home, &[&["tail", "test.corrupt", "--format", "{value}"], more].concat());
        tail.wait_for("test.corrupt[0]@0 cannot be read");
        assert_eq!(tail.stdout().lines().take(2).map(Result::unwrap).collect::<Vec<_>>(), ["sound", "sound"]);
    }
}

/// Files of a topic's messages, of all brokers.
fn segments(home: &Path, topic: &str) -> Vec<PathBuf> {
    let pattern = format!("*/{topic}*/*.log");
    let found = Command::new("find").arg(home).args(["-path", &pattern]).output().unwrap();
    assert!(found.status.success(), "{found:?}");
    lines(&found.stdout).into_iter().map(PathBuf::from).collect()
}

/// Whoever is asked takes the connection and says nothing.
pub fn a_silent_server_is_not_waited_for(home: &Home) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for (arguments, seconds) in [
        (&["sub", "a.b", "--timeout", "2s"][..], 2),
        (&["tail", "a.b", "--timeout", "2s"], 2),
        (&["pub", "a.b", "x", "--timeout", "2s"], 2),
        (&["topic", "list"], 10),
    ] {
        let began = Instant::now();
        let given_up = home.run(&[arguments, &["--bootstrap", &address]].concat());
        assert_eq!(given_up.code, Some(1), "{given_up:?}");
        assert!(given_up.stderr.contains(&format!("does not answer within {seconds}s")), "{given_up:?}");
        let took = began.elapsed().as_secs_f64();
        assert!(took < f64::from(seconds) + 1.5, "{arguments:?} took {took} s");
    }
}

/// As behind a forwarded port: the way in is there, and the brokers' names are not known here.
fn names_that_are_not_known_are_told(home: &Home) {
    let broker = home.environment()["KAFKA_BROKERS"].split(',').next().unwrap().to_owned();
    let address = renamed(&broker);
    for arguments in [
        &["sub", "emergency.created", "--from", "beginning", "--until", "now"][..],
        &["tail", "emergency.created"],
        &["pub", "emergency.created", "x"],
        &["group", "list"],
        &["topic", "list"],
    ] {
        let began = Instant::now();
        let told = home.run(&[arguments, &["--bootstrap", &address]].concat());
        assert_eq!(told.code, Some(1), "{arguments:?}: {told:?}");
        let words = ["calls its brokers no..where:", "this machine cannot resolve"];
        assert!(words.iter().all(|words| told.stderr.contains(words)), "{arguments:?}: {told:?}");
        assert!(began.elapsed().as_secs() < 6, "{arguments:?} took {:?}", began.elapsed());
    }
}

/// A way to a broker on which its own name is another one of the same length.
fn renamed(broker: &str) -> String {
    const NAMES: [&[u8; 9]; 2] = [b"localhost", b"127.0.0.1"];
    // With an empty label, so that no name server is asked, which may take longer than the name is waited for.
    const UNKNOWN: &[u8; 9] = b"no..where";
    let way = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = way.local_addr().unwrap().to_string();
    let broker = broker.to_owned();
    std::thread::spawn(move || {
        for client in way.incoming().map_while(Result::ok) {
            let Ok(mut server) = TcpStream::connect(&broker) else { return };
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
            std::thread::spawn(move || {
                let mut client = client;
                let mut length = [0; 4];
                while server.read_exact(&mut length).is_ok() {
                    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
                    server.read_exact(&mut answer)?;
                    for at in 0..answer.len().saturating_sub(UNKNOWN.len()) {
                        if NAMES.iter().any(|name| answer[at..].starts_with(*name)) {
                            answer[at..at + UNKNOWN.len()].copy_from_slice(UNKNOWN);
                        }
                    }
                    client.write_all(&[&length[..], &answer].concat())?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    address
}
