//! What clients do while their brokers are away, and what they say of it.

use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rustix::process::Signal;

use crate::devices::MqttClient;
use crate::harness::{Finished, Home, eventually, interrupt, send_signal};
use crate::messages::{PATIENCE, Running, feed, lines, read_all};

pub fn outages_are_survived(home: &Home) {
    a_restart_is_survived(home);
    what_is_sent_with_qos_2_arrives_once(home);
    a_partition_without_a_leader_is_named(home);
}

/// All brokers are stopped and started under a publisher and subscribers.
fn a_restart_is_survived(home: &Home) {
    let mut subscriber = Running::listen(home, &["sub", "device/restart/telemetry"]);
    let mut publisher = home.command(&["pub", "device/restart/telemetry", "--lines", "--qos", "1", "--rate", "100/s"]);
    publisher.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut publisher = publisher.spawn().unwrap();
    let mut stdin = publisher.stdin.take().unwrap();
    let mut write = |text: &str| std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
    write("before\n");
    let mut received = subscriber.stdout().lines();
    assert_eq!(received.next().unwrap().unwrap(), "before");
    let mut tail = Running::listen(home, &["tail", "location.realtime", "--format", "{value}"]);
    home.ok(&["stop", "mosquitto", "kafka"]);
    subscriber.wait_for("reconnecting");
    tail.wait_for("all brokers are down");
    write("meanwhile\n");
    home.ok(&["start", "mosquitto", "kafka"]);
    tail.wait_for("brokers answer again");
    home.ok(&["pub", "location.realtime", "Kafka is back"]);
    assert_eq!(tail.stdout().lines().next().unwrap().unwrap(), "Kafka is back");
    subscriber.wait_for("messages sent in between may have been missed");
    write("after\n");
    drop(stdin);
    let sent = Finished::from(publisher.wait_with_output().unwrap());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.stderr.contains("3 messages"), "{sent:?}");
    // What was sent in between may have come before the subscriber was back.
    assert!(received.map(Result::unwrap).any(|line| line == "after"));
}

/// A Mosquitto of this test's own, which asks for a shorter keep alive: 10 s instead of the 30 s that we ask for. It is
/// stopped by SIGSTOP: the kernel goes on taking connections and bytes for it.
pub fn a_server_that_stands_still_is_noticed(home: &Home) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = home.path().join("standing.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_keepalive 10\n")).unwrap();
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut mosquitto = Command::new("mosquitto");
    mosquitto.arg("-c").arg(&config).env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null());
    let mosquitto = Running::of_silent(mosquitto.spawn().unwrap());
    eventually("Mosquitto listens", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let url = format!("mqtt://127.0.0.1:{port}");
    let mut tail = Running::listen(home, &["tail", "a/b", "--format", "{value}", "--mqtt", &url]);
    let mut publisher = Running::start_with_stdin(home, &["pub", "a/b", "--lines", "--mqtt", &url]);
    let mut stdin = publisher.child.stdin.take().unwrap();
    let mut write = |text: &str| std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
    let mut told = tail.stdout().lines().map(Result::unwrap);
    write("before\n");
    assert_eq!(told.next().unwrap(), "before");

    send_signal(mosquitto.child.id(), Signal::STOP);
    let stopped = Instant::now();
    write("meanwhile\n");
    for arguments in [&["sub", "a/b"][..], &["pub", "a/b", "x"]] {
        let began = Instant::now();
        let finished = home.run(&[arguments, &["--timeout", "2s", "--mqtt", &url]].concat());
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("did not answer within 2s"), "{finished:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{arguments:?} took {:?}", began.elapsed());
    }
    tail.wait_for("the server has been silent for");
    publisher.wait_for("the server has been silent for");
    assert!(stopped.elapsed() < Duration::from_secs(16), "1.5 times the keep alive: {:?}", stopped.elapsed());
    send_signal(mosquitto.child.id(), Signal::CONT);
    publisher.wait_for("MQTT: reconnected");
    tail.wait_for("MQTT: reconnected");
    write("after\n");
    drop(stdin);
    assert!(told.any(|line| line == "after"));
    assert_eq!(publisher.code(), Some(0), "every line is acknowledged");
}

/// Mosquitto restarts in the midst of it; the receiver's session lives in its database meanwhile.
fn what_is_sent_with_qos_2_arrives_once(home: &Home) {
    const COUNT: usize = 600;
    let topic = "device/once/telemetry";
    let client = MqttClient::of(home, "sos_service");
    let receiver = || {
        let mut command = client.command("mosquitto_sub");
        command.args(["-i", "once", "-c", "-q", "2", "-t", topic]);
        command
    };
    assert!(receiver().arg("-E").status().unwrap().success(), "the session begins before anything is sent");
    let mut witness = Running::listen(home, &["sub", topic, "--count", "50"]);
    let mut publisher = Running::start_with_stdin(home, &["pub", topic, "--lines", "--qos", "2", "--rate", "300/s"]);
    let mut stdin = publisher.child.stdin.take().unwrap();
    let sent: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    let input = sent.join("\n") + "\n";
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    assert_eq!(witness.code(), Some(0), "it is under way");
    home.ok(&["restart", "mosquitto"]);
    assert_eq!(publisher.code(), Some(0), "every line is acknowledged");

    let received = receiver().args(["-C", &COUNT.to_string(), "-W", "60"]).output().unwrap();
    assert!(received.status.success(), "{received:?}");
    assert_eq!(lines(&received.stdout), sent, "each once, in order");
}

fn a_partition_without_a_leader_is_named(home: &Home) {
    let topic = "test.leaderless";
    let environment = home.environment();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &environment["KAFKA_BROKERS"]).create().unwrap();
    // Without a second copy, a partition is gone with its broker.
    let alone = NewTopic::new(topic, 3, TopicReplication::Fixed(1)).set("min.insync.replicas", "1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for made in runtime.block_on(admin.create_topics(&[alone], &AdminOptions::new())).unwrap() {
        made.unwrap();
    }
    let sent: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(feed(home, &["pub", topic, "--lines"], sent.join("\n").as_bytes()).code, Some(0));
    assert_eq!(lines(&read_all(home, topic, &[])).len(), sent.len());

    let mut tail = Running::listen(home, &["tail", topic]);
    home.ok(&["stop", "kafka-1"]);
    tail.wait_for("has no leader; its messages wait");
    let partial = home.run(&["sub", topic, "--from", "beginning", "--until", "now"]);
    assert_eq!(partial.code, Some(1), "what cannot be read is not success: {partial:?}");
    assert!(partial.stderr.contains("leader"), "{partial:?}");
    home.ok(&["start", "kafka-1"]);
    tail.wait_for("has a leader again");
    assert_eq!(interrupt(&mut tail.child, Signal::INT), Some(0));
    eventually("all of it can be read again", PATIENCE, || {
        let read = home.run(&["sub", topic, "--from", "beginning", "--until", "now"]);
        read.code == Some(0) && read.stdout.lines().count() == sent.len()
    });
}
