//! Messages through both brokers, by our own commands and by the clients that people use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Home, On, interrupt, processes_mentioning, send_signal};
use crate::messages::Running;

pub fn our_own_commands_work(home: &Home) {
    kafka_round_trip(home);
    mqtt_round_trip(home);
    a_refused_publish_is_an_error(home);
    tail_shows_both_brokers(home);
    what_several_filters_match_is_told_once(home);
    topics_are_shown_as_a_tree(home);
}

fn kafka_round_trip(home: &Home) {
    let payload = r#"{"emergencyId":"e-1","type":"MEDICAL"}"#;
    home.ok(&["pub", "emergency.created", payload, "-k", "e-1", "-H", "source=test"]);
    let raw = home.ok(&["sub", "emergency.created", "--from", "beginning", "--until", "now"]);
    assert_eq!(raw, format!("{payload}\n"));
    let line = home.ok(&["sub", "emergency.created", "--from", "beginning", "--count", "1", "-o", "json"]);
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message["broker"], "kafka");
    assert_eq!(message["topic"], "emergency.created");
    assert_eq!(message["value"]["emergencyId"], "e-1");
    let unknown = home.run(&["pub", "emergency.create", "x"]);
    assert_eq!(unknown.code, Some(1), "a typo makes no topic: {unknown:?}");
    assert!(unknown.stderr.contains("emergency.created"), "{unknown:?}");
}

fn mqtt_round_trip(home: &Home) {
    let topic = "device/device-12345/telemetry";
    let mut subscriber = home.spawn(&["sub", topic, "--count", "3", "--timeout", "30s"]);
    wait_until_listening(&mut subscriber);
    for qos in ["0", "1", "2"] {
        home.ok(&["pub", topic, &format!("qos {qos}"), "--qos", qos]);
    }
    let received = std::io::read_to_string(subscriber.stdout.take().unwrap()).unwrap();
    assert!(subscriber.wait().unwrap().success());
    assert_eq!(received, "qos 0\nqos 1\nqos 2\n");
}

fn a_refused_publish_is_an_error(home: &Home) {
    let refused = home.run(&["pub", "device/esp32-001/telemetry", "{}", "--as", "device-12345"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("device-12345"), "{refused:?}");
    home.ok(&["pub", "device/device-12345/telemetry", "{}", "--as", "device-12345"]);
    home.ok(&["pub", "emergency/user-1001/trigger", "{}", "--as", "device-12345", "--qos", "2"]);
    let own_command = home.run(&["pub", "device/device-12345/command", "{}", "--as", "device-12345"]);
    assert_eq!(own_command.code, Some(1), "a device cannot forge its own commands: {own_command:?}");
}

fn tail_shows_both_brokers(home: &Home) {
    let mut tail = home.spawn(&["tail", "emergency.created", "device/device-12345/telemetry"]);
    wait_until_listening(&mut tail);
    home.ok(&["pub", "emergency.created", r#"{"tail":1}"#]);
    home.ok(&["pub", "device/device-12345/telemetry", r#"{"tail":2}"#]);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = [lines.next().unwrap(), lines.next().unwrap()];
    seen.sort_by_key(|line| line.contains("tail\":2"));
    assert!(seen[0].contains("emergency.created") && seen[0].contains(r#"{"tail":1}"#), "{seen:?}");
    assert!(seen[1].contains("device/device-12345/telemetry") && seen[1].contains(r#"{"tail":2}"#), "{seen:?}");
    assert_eq!(interrupt(&mut tail, Signal::INT), Some(0), "Ctrl-C is how a tail ends");
}

/// One of these filters covers another one, two overlap: Mosquitto sends each message up to three times. Messages that
/// are the same are still two.
fn what_several_filters_match_is_told_once(home: &Home) {
    let topic = "device/both/alert";
    let filters = ["device/+/alert", "device/both/#", topic];
    home.ok(&["pub", topic, "kept", "--retain"]);
    for reader in [&["sub"][..], &["tail", "--format", "{value}"]] {
        let mut reader = home.spawn(&[reader, &filters].concat());
        wait_until_listening(&mut reader);
        home.ok(&["pub", topic, "same", "--repeat", "2", "--qos", "2"]);
        home.ok(&["pub", "device/both/status", "only one filter's"]);
        home.ok(&["pub", "device/other/alert", "only the other's"]);
        home.ok(&["pub", topic, "last"]);
        let lines = BufReader::new(reader.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told: Vec<String> = lines.take(6).collect();
        told.sort();
        assert_eq!(told, ["kept", "last", "only one filter's", "only the other's", "same", "same"]);
        assert_eq!(interrupt(&mut reader, Signal::INT), Some(0));
    }
    home.ok(&["pub", topic, "", "--retain"]);
}

/// Until the command says that it listens: what is sent from then on it shows. The rest of its stderr can be had when
/// it has ended.
fn topics_are_shown_as_a_tree(home: &Home) {
    home.ok(&["pub", "fleet/truck-1/state", "parked", "--retain", "--qos", "1"]);
    let arguments = ["topic", "tree", "fleet", "--for", "1m", "--count", "3"];
    let text = Running::listen(home, &arguments);
    let json = Running::listen(home, &[&arguments[..], &["--output", "json"]].concat());
    home.ok(&["pub", "fleet/truck-2/position", "52.5", "--qos", "1"]);
    home.ok(&["pub", "fleet/truck-2/position", "\u{7}", "--qos", "1"]);
    let (text, code) = text.finish();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["fleet/#", "3", "1", "2", "topics"], "{text}");
    assert!(lines.contains(&vec!["│", "└─", "state", "1", "1", "parked"]), "{text}");
    assert!(lines.contains(&vec!["└─", "position", "2", r"\u{7}"]), "{text}");
    let found: Value = serde_json::from_slice(&json.finish().0).unwrap();
    let position =
        json!({ "topic": "fleet/truck-2/position", "messages": 2, "bytes": 5, "retained": false, "last": "\u{7}" });
    assert_eq!((&found["messages"], &found["topics"][1]), (&3.into(), &position));
    home.ok(&["pub", "fleet/truck-1/state", "", "--retain", "--qos", "1"]);
}

pub fn wait_until_listening(child: &mut Child) -> JoinHandle<String> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("listening to ") {
        assert!(stderr.read_line(&mut seen).unwrap() > 0, "it ended without listening: {seen}");
    }
    // Read on, or the child may block on a full pipe.
    std::thread::spawn(move || std::io::read_to_string(stderr).unwrap())
}

/// kcat, the Mosquitto clients, paho over WebSocket, kafkajs, four-letter words: with what `env` prints.
pub fn the_fields_clients_work(home: &Home) {
    interop(home, &[]);
}

/// Written in Node, with mqtt.js and kafkajs.
pub fn a_bridge_of_ones_own_runs_beside_ours(home: &Home) {
    let mut ours = Running::start(home, &["bridge", "run"]);
    ours.wait_for("subscribed");
    interop(home, &["node-bridge"]);
    send_signal(ours.child.id(), Signal::TERM);
    assert_eq!(ours.code(), Some(0), "{:?}", ours.said());
}

fn interop(home: &Home, checks: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/run.sh");
    let device_password = home.ok(&["device", "show", "device-12345", "--password"]);
    let output = Command::new("bash")
        .arg(script)
        .args(checks)
        .envs(home.environment())
        .env("DEVICE_ID", "device-12345")
        .env("DEVICE_PASSWORD", device_password.trim())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// kafkajs' keys are there, from its own check; Java's console producer and we send the same ones.
pub fn keys_go_to_the_partition_that_other_producers_choose(home: &Home) {
    let topic = "device.telemetry";
    let read = || home.ok(&["sub", topic, "--from", "beginning", "--until", "now", "-o", "json"]);
    let mut keys: BTreeSet<String> = ["", "ü", "a b", "e-1"].map(str::to_owned).into();
    keys.extend((0..50).map(|number| format!("device-{number}")));
    let by_kafkajs = |line: &str| {
        let message: Value = serde_json::from_str(line).unwrap();
        message["key"].as_str().filter(|key| key.starts_with("interop-")).map(str::to_owned)
    };
    let own = keys.len();
    keys.extend(read().lines().filter_map(by_kafkajs));
    assert!(keys.len() >= own + 10, "kafkajs has sent its keys: {keys:?}");

    let lines = keys.iter().map(|key| format!("{key}|java")).collect::<Vec<_>>().join("\n");
    let java = run_with_stdin(&mut console_producer(home, topic), lines.as_bytes());
    assert!(java.status.success(), "{java:?}");
    let envelope = |key: &String| format!("{}\n", serde_json::json!({ "key": key, "value": "sosstack" }));
    let envelopes: String = keys.iter().map(envelope).collect();
    let ours = run_with_stdin(&mut home.command(&["pub", topic, "--envelope"]), envelopes.as_bytes());
    assert!(ours.status.success(), "{ours:?}");

    let mut partitions: BTreeMap<String, BTreeMap<String, BTreeSet<i64>>> = BTreeMap::new();
    for line in read().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let Some(key) = message["key"].as_str().filter(|key| keys.contains(*key)) else { continue };
        let who = message["value"].as_str().unwrap_or("kafkajs").to_owned();
        let places = partitions.entry(key.to_owned()).or_default().entry(who).or_default();
        places.insert(message["partition"].as_i64().unwrap());
    }
    for key in &keys {
        let places = &partitions[key];
        assert!(places.contains_key("java") && places.contains_key("sosstack"), "{key:?}: {places:?}");
        assert_eq!(places.values().flatten().collect::<BTreeSet<_>>().len(), 1, "{key:?}: {places:?}");
    }
    let all: BTreeSet<i64> = partitions.values().flat_map(BTreeMap::values).flatten().copied().collect();
    assert!(all.len() > 2, "{all:?}");
}

/// Of the Kafka that runs; its lines are `KEY|VALUE`.
fn console_producer(home: &Home, topic: &str) -> Command {
    let mut command = match home.on {
        On::Process => {
            let broker = processes_mentioning(&home.stack_dir().display().to_string());
            let broker = broker.into_iter().find(|line| line.contains("kafka.Kafka")).unwrap();
            let class_path = broker.split_whitespace().skip_while(|word| *word != "-cp").nth(1).unwrap().to_owned();
            let mut java = Command::new("java");
            java.args(["-Xmx128M", "-cp", &class_path, "kafka.tools.ConsoleProducer"]);
            java.args(["--bootstrap-server", &home.environment()["KAFKA_BROKERS"]]);
            java
        }
        On::Docker => {
            let mut java = Command::new("docker");
            java.args(["exec", "--interactive", &format!("sosstack-{}-kafka-0", home.stack), "java", "-Xmx128M"]);
            java.args(["-cp", "/opt/kafka/libs/*", "kafka.tools.ConsoleProducer"]);
            java.args(["--bootstrap-server", "kafka-service:9092"]);
            java
        }
    };
    command.args(["--topic", topic, "--property", "parse.key=true", "--property", "key.separator=|"]);
    command
}

fn run_with_stdin(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// A container on the stack's network, with the settings of production.
pub fn containers_use_productions_names(home: &Home) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/inside.sh");
    let image = |service: &str| {
        let name = format!("sosstack-{}-{service}", home.stack);
        let output = Command::new("docker").args(["inspect", "-f", "{{.Config.Image}}", &name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let inside: Value = serde_json::from_str(&home.ok(&["env", "--inside", "--format", "json"])).unwrap();
    assert_eq!(inside["MQTT_HOST"], "mqtt-service");
    let output = Command::new("bash")
        .args([script, &format!("sosstack-{}", home.stack), &image("kafka-0"), &image("mosquitto")])
        .envs(inside.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap())))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
