//! Devices come and go while others stay connected and keep what is queued for them.

use std::io::Write;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::clients::wait_until_listening;
use crate::harness::{Home, On, send_signal};
use crate::messages::Running;

pub fn devices_come_and_go(home: &Home) {
    let before = handles(home);
    let command = "device/esp32-001/command";
    // One device is away, with a session that keeps messages for it; another one listens all the time.
    let absent = MqttClient::of(home, "wearable-0001");
    assert!(absent.session("device/wearable-0001/command", &[]).status.success());
    home.ok(&["pub", "device/wearable-0001/command", "kept for the absent", "--qos", "1"]);
    let mut listener = home.spawn(&["sub", command, "--as", "esp32-001", "--count", "1", "--timeout", "60s"]);
    let notices = wait_until_listening(&mut listener);

    let added = home.json(&["device", "add", "band-1", "--owner", "user-5"]);
    assert_eq!((&added["changed"][0], &added["live"]), (&Value::from("band-1"), &Value::from(true)), "{added}");
    home.ok(&["pub", "device/band-1/telemetry", "{}", "--as", "band-1"]);
    home.ok(&["pub", "emergency/user-5/trigger", "{}", "--as", "band-1", "--qos", "2"]);
    assert_eq!(home.json(&["device", "add", "band-1", "--owner", "user-5"])["unchanged"][0], "band-1");
    let foreign = home.run(&["device", "add", "band-1", "--owner", "user-6"]);
    assert_eq!(foreign.code, Some(2), "{foreign:?}");
    assert!(foreign.stderr.contains("band-1 is already enrolled and belongs to user-5"), "{foreign:?}");

    many_at_once(home);
    a_rotated_password_replaces_the_old_one(home);
    home.ok(&["device", "remove", "band-1"]);
    let removed = home.run(&["pub", "device/band-1/telemetry", "{}", "--as", "band-1"]);
    assert_eq!(removed.code, Some(1), "{removed:?}");

    // Nobody else noticed.
    home.ok(&["pub", command, "still there", "--qos", "1"]);
    let heard = std::io::read_to_string(listener.stdout.take().unwrap()).unwrap();
    assert_eq!((listener.wait().unwrap().code(), heard.as_str()), (Some(0), "still there\n"));
    let notices = notices.join().unwrap();
    assert!(!notices.contains("reconnecting"), "the listener was disconnected: {notices}");
    let delivered = absent.session("device/wearable-0001/command", &["-C", "1", "-W", "20"]);
    assert_eq!(String::from_utf8_lossy(&delivered.stdout), "kept for the absent\n", "{delivered:?}");

    an_unapplied_stack_file_is_in_nobodys_way(home);

    // The next up changes nothing and forgets nothing, removed devices of the stack file included.
    home.ok(&["device", "remove", "panic-0001"]);
    assert_eq!(home.json(&["up"])["was_up"], true);
    assert_eq!(handles(home), before);
    let ids = ids(home);
    assert!(ids.contains(&"bulk-1999".to_owned()) && !ids.contains(&"panic-0001".to_owned()), "{} devices", ids.len());
    home.ok(&["device", "add", "panic-0001", "--owner", "user-1003"]);
}

fn many_at_once(home: &Home) {
    let list = (0..2000).map(|n| format!("bulk-{n},user-{n}")).collect::<Vec<_>>().join("\n");
    let mut add =
        home.command(&["device", "add", "--from", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    assert!(add.wait().unwrap().success());
    home.ok(&["pub", "device/bulk-1234/telemetry", "{}", "--as", "bulk-1234"]);
    let passwords = home.ok(&["device", "list", "--passwords"]);
    assert!(passwords.lines().any(|line| line.starts_with("bulk-7,user-7,")), "{}", &passwords[..200]);
    std::fs::write(home.path().join("wrong.csv"), "id,owner\nok-1,user-1\na b,user-1\nok-1,user-2\n").unwrap();
    let wrong = home.run(&["device", "add", "--from", "wrong.csv"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("wrong.csv: line 3: \"a b\" is not a valid device id"), "{wrong:?}");
    assert!(wrong.stderr.contains("wrong.csv: line 4: ok-1 appears twice: also line 2"), "{wrong:?}");
    assert!(!ids(home).contains(&"ok-1".to_owned()), "all or none");
}

fn a_rotated_password_replaces_the_old_one(home: &Home) {
    let old = MqttClient::of(home, "band-1");
    assert!(old.publishes("device/band-1/status"));
    let mut listener = Running::listen(home, &["sub", "device/band-1/command", "--as", "band-1"]);
    home.ok(&["device", "rotate", "band-1"]);
    listener.wait_for("refuses the login of band-1: wrong user name or password");
    assert_eq!(listener.code(), Some(1), "what can never come is not waited for");
    assert!(!old.publishes("device/band-1/status"), "the old password still works");
    assert!(MqttClient::of(home, "band-1").publishes("device/band-1/status"));
    let mut tail = Running::listen(home, &["tail", "device/band-1/command"]);
    let rotated = home.run(&["device", "rotate", "sos_service"]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(rotated.stderr.contains("reconnect with the new password"), "{rotated:?}");
    tail.wait_for("wrong user name or password; retrying for 60s");
    send_signal(tail.child.id(), Signal::INT);
    assert_eq!(tail.code(), Some(0));
    home.ok(&["pub", "device/band-1/command", "{}"]);
}

/// Devices change in what runs, which another configuration waits to replace.
fn an_unapplied_stack_file_is_in_nobodys_way(home: &Home) {
    let before = handles(home);
    home.write_stack_file("{mosquitto: {max_queued_messages: 4321}, devices: [{id: unapplied-1, owner: user-9}]}");
    assert_eq!(home.json(&["device", "add", "band-2", "--owner", "user-5"])["live"], true);
    let added = MqttClient::of(home, "band-2");
    assert!(added.publishes("device/band-2/status"));
    assert!(!ids(home).contains(&"unapplied-1".to_owned()), "nobody asked for it yet");
    assert_eq!(home.json(&["device", "add", "band-2", "--owner", "user-5"])["unchanged"][0], "band-2");
    home.ok(&["device", "rotate", "band-2"]);
    assert!(!added.publishes("device/band-2/status"), "the old password still works");
    let rotated = MqttClient::of(home, "band-2");
    assert!(rotated.publishes("device/band-2/status"));
    home.ok(&["device", "remove", "band-2"]);
    assert!(!rotated.publishes("device/band-2/status"), "it is still let in");
    home.ok(&["seed"]);
    assert!(MqttClient::of(home, "unapplied-1").publishes("device/unapplied-1/status"));
    assert_eq!(handles(home), before, "nothing was restarted");
    if home.on == On::Process {
        what_a_paused_mosquitto_cannot_load_is_taken_back(home, before[6].parse().unwrap());
    }
    home.ok(&["device", "remove", "unapplied-1"]);
    std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
}

fn what_a_paused_mosquitto_cannot_load_is_taken_back(home: &Home, mosquitto: u32) {
    send_signal(mosquitto, Signal::STOP);
    let failed = home.run(&["device", "add", "band-3"]);
    send_signal(mosquitto, Signal::CONT);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("is paused, so it cannot load any change"), "{failed:?}");
    assert!(!ids(home).contains(&"band-3".to_owned()));
    assert_eq!(home.json(&["device", "add", "band-3"])["changed"][0], "band-3");
    assert!(MqttClient::of(home, "band-3").publishes("device/band-3/status"));
    home.ok(&["device", "remove", "band-3"]);
}

fn ids(home: &Home) -> Vec<String> {
    let devices = home.json(&["device", "list"]);
    devices.as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect()
}

fn handles(home: &Home) -> Vec<String> {
    let status = home.json(&["status"]);
    status["services"].as_array().unwrap().iter().map(|s| s["handle"].as_str().unwrap().to_owned()).collect()
}

/// The Mosquitto clients with a login, as it was when this was made.
pub struct MqttClient {
    options: tempfile::TempDir,
    id: String,
}

impl MqttClient {
    pub fn of(home: &Home, device: &str) -> Self {
        let environment = home.environment();
        let password = home.ok(&["device", "show", device, "--password"]);
        let options = tempfile::tempdir().unwrap();
        let text = format!(
            "-h {}\n-p {}\n-u {device}\n-P {}\n",
            environment["MQTT_HOST"],
            environment["MQTT_PORT"],
            password.trim()
        );
        for program in ["mosquitto_sub", "mosquitto_pub"] {
            std::fs::write(options.path().join(program), &text).unwrap();
        }
        Self { options, id: format!("{device}-session") }
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("XDG_CONFIG_HOME", self.options.path()).stdin(Stdio::null());
        command
    }

    /// A durable session: subscribes and, without more arguments, leaves at once.
    fn session(&self, topic: &str, more: &[&str]) -> std::process::Output {
        let leave: &[&str] = if more.is_empty() { &["-E"] } else { more };
        self.command("mosquitto_sub").args(["-c", "-i", &self.id, "-q", "1", "-t", topic]).args(leave).output().unwrap()
    }

    fn publishes(&self, topic: &str) -> bool {
        self.command("mosquitto_pub").args(["-q", "1", "-t", topic, "-m", "x"]).output().unwrap().status.success()
    }
}
