//! Messages through both brokers, by our own commands and by the clients that people use.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Home, eventually, send_signal};

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
    wait_for_clients(home, 1);
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
    let before = home.json(&["status"])["mqtt_clients"].as_u64().unwrap();
    let mut tail = home.spawn(&["tail", "emergency.created", "device/device-12345/telemetry"]);
    wait_for_clients(home, before + 1);
    let mut seen = String::new();
    let mut stdout = std::io::BufReader::new(tail.stdout.take().unwrap());
    // The Kafka side may begin a moment later than the MQTT side: publish until it shows.
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::BufRead::read_line(&mut stdout, &mut line).unwrap_or(0) > 0 {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let mut attempt = 0;
    eventually("tail shows both", Duration::from_secs(20), || {
        attempt += 1;
        home.ok(&["pub", "emergency.created", &format!(r#"{{"tail":{attempt}}}"#)]);
        home.ok(&["pub", "device/device-12345/telemetry", &format!(r#"{{"tail":{attempt}}}"#)]);
        seen.extend(lines.try_iter());
        let shown = |topic: &str| seen.lines().any(|line| line.contains(topic) && line.contains(r#"{"tail":"#));
        shown("emergency.created") && shown("device/device-12345/telemetry")
    });
    send_signal(&tail, "-INT");
    assert_eq!(tail.wait().unwrap().code(), Some(0), "Ctrl-C is how a tail ends");
    reader.join().unwrap();
}

/// Until so many MQTT clients are connected, as the server itself counts them.
fn wait_for_clients(home: &Home, count: u64) {
    eventually("the subscriber is connected", Duration::from_secs(15), || {
        home.json(&["status"])["mqtt_clients"].as_u64().is_some_and(|clients| clients >= count)
    });
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
