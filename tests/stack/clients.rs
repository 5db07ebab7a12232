//! Messages through both brokers, by our own commands and by the clients that people use.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Home, interrupt};

pub fn our_own_commands_work(home: &Home) {
    kafka_round_trip(home);
    mqtt_round_trip(home);
    a_refused_publish_is_an_error(home);
    tail_shows_both_brokers(home);
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

/// Until the command says that it listens: what is sent from then on it shows. The rest of its stderr can be had when
/// it has ended.
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
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/run.sh");
    let device_password = home.ok(&["device", "show", "device-12345", "--password"]);
    let output = Command::new("bash")
        .arg(script)
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
