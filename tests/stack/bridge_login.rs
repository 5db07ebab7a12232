//! The bridge's own login: what it may do, and what becomes of a running bridge when passwords change.

use std::process::Stdio;

use serde_json::Value;

use crate::bridge::{bridge, end};
use crate::harness::{Finished, Home, eventually};
use crate::messages::{PATIENCE, Running, read_all};

/// Needs a stack that runs; leaves it as it was, with other passwords.
pub fn the_bridge_has_a_login_of_its_own(home: &Home) {
    it_reads_what_devices_write_and_writes_nothing(home);
    a_running_bridge_follows_its_own_password_alone(home);
    a_stack_of_before_is_given_the_login(home);
}

fn it_reads_what_devices_write_and_writes_nothing(home: &Home) {
    let environment = home.environment();
    let url = format!("mqtt://sos_bridge@{}:{}", environment["MQTT_HOST"], environment["MQTT_PORT"]);
    let password = home.ok(&["device", "show", "sos_bridge", "--password"]);
    let as_bridge = |arguments: &[&str]| {
        let mut command = home.command(&[arguments, &["--mqtt", &url, "--qos", "1"]].concat());
        command.env("SOSSTACK_MQTT_PASSWORD", password.trim()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // A device of this name could write the first two.
    let topics =
        ["panic/sos_bridge/press", "device/sos_bridge/status", "device/x/command", "emergency/user-1001/trigger"];
    for topic in topics {
        let refused = Finished::from(as_bridge(&["pub", topic, "x"]).output().unwrap());
        assert!(refused.code == Some(1) && refused.stderr.contains("sos_bridge may not publish"), "{refused:?}");
    }
    // Mosquitto grants every subscription: what counts is what it delivers.
    let filters = ["sub", "device/+/command", "panic/+/press", "--count", "1", "--timeout", "60s", "-o", "json"];
    let mut reader = Running::of(as_bridge(&filters).spawn().unwrap());
    reader.wait_for("listening to ");
    home.ok(&["pub", "device/device-12345/command", "{}", "--qos", "1"]);
    home.ok(&["pub", "device/sos_bridge/command", "{}", "--qos", "1"]);
    home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2", "--as", "panic-0001"]);
    let (line, code) = reader.finish();
    let message: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!((&message["topic"], code), (&Value::from("panic/panic-0001/press"), Some(0)));
}

fn a_running_bridge_follows_its_own_password_alone(home: &Home) {
    let mut bridge = bridge(home);
    home.ok(&["device", "rotate", "sos_service"]);
    arrives(home, "after the backend's");
    assert!(!bridge.said().iter().any(|line| line.contains("reconnecting")), "{:?}", bridge.said());
    let rotated = home.run(&["device", "rotate", "sos_bridge"]);
    assert!(rotated.code == Some(0) && rotated.stderr.contains("reconnect with the new password"), "{rotated:?}");
    bridge.wait_for("reconnecting");
    bridge.wait_for("sos_bridge has a new password: the next connection uses it");
    // What comes before, Mosquitto 2.0 does not keep for it.
    let connections = |bridge: &mut Running| bridge.said().iter().filter(|line| line.contains("subscribed;")).count();
    eventually("the bridge is connected again", PATIENCE, || connections(&mut bridge) == 2);
    arrives(home, "after its own");
    let password = home.ok(&["device", "show", "sos_bridge", "--password"]);
    assert!(!bridge.said().iter().any(|line| line.contains(password.trim())), "{:?}", bridge.said());
    end(bridge);

    // Somebody changed the accounts, and Mosquitto was not told: `up` tells it, and the bridge that runs goes on.
    change_accounts(home, |accounts| accounts["bridge"]["password"] = "not-loaded-yet".into());
    let mut bridge = Running::start(home, &["bridge", "run"]);
    bridge.wait_for("Mosquitto has not loaded the current password of sos_bridge: sosstack up");
    home.up();
    bridge.wait_for("the session was resumed");
    arrives(home, "after up");
    end(bridge);
}

fn a_stack_of_before_is_given_the_login(home: &Home) {
    let passwords = || home.ok(&["device", "list", "--passwords"]) + &home.environment()["MQTT_PASSWORD"];
    let before = passwords();
    change_accounts(home, |accounts| drop(accounts.as_object_mut().unwrap().remove("bridge")));
    let refused = home.run(&["bridge", "run"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("has no login sos_bridge yet"), "{refused:?}");
    assert!(refused.stderr.contains("try: sosstack up"), "{refused:?}");
    home.ok(&["seed"]);
    let mut bridge = Running::start(home, &["bridge", "run"]);
    bridge.wait_for("the session was resumed");
    end(bridge);
    assert_eq!(passwords(), before, "nobody else's login was touched");
}

fn change_accounts(home: &Home, change: impl FnOnce(&mut Value)) {
    let path = home.stack_dir().join("accounts.json");
    let mut accounts: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut accounts);
    std::fs::write(&path, accounts.to_string()).unwrap();
}

/// What a device sends from now on comes to Kafka.
fn arrives(home: &Home, word: &str) {
    let payload = format!(r#"{{"word":"{word}"}}"#);
    home.ok(&["pub", "geofence/user-1003/enter", &payload, "--qos", "1", "--as", "panic-0001"]);
    eventually(&format!("{payload} comes to Kafka"), PATIENCE, || {
        String::from_utf8(read_all(home, "location.geofence", &[])).unwrap().contains(&payload)
    });
}
