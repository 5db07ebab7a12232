//! What services write of emergencies gets to people, and nothing of it is passed over.

use serde_json::Value;

use crate::bridge::{end, kill};
use crate::harness::{Home, eventually};
use crate::messages::{PATIENCE, Running};

const GROUP: &str = "sosstack-bridge-status";
/// The owner of `panic-0001`.
const USER: &str = "user-1003";

/// Needs a stack that runs, and no bridge.
pub fn what_services_write_gets_to_people(home: &Home) {
    write(home, "emergency.updated", "from before");
    let mut bridge = bridge(home);
    let mut phone = phone(home, 3);
    for status in ["SEEN", "HELP_ON_THE_WAY"] {
        write(home, "emergency.updated", status);
    }
    write(home, "emergency.resolved", "RESOLVED");
    let heard = heard(phone.finish());
    // In order of one topic; nothing orders two of them.
    let of_one: Vec<&str> = heard.iter().map(String::as_str).filter(|status| *status != "RESOLVED").collect();
    assert_eq!((of_one, heard.len()), (vec!["SEEN", "HELP_ON_THE_WAY"], 3));

    home.ok(&["pub", "emergency.updated", "nonsense"]);
    bridge.wait_for("has no recipient: it is not JSON");
    everything_is_taken(home);

    home.ok(&["stop", "mosquitto"]);
    bridge.wait_for("emergency status updates are waiting in Kafka");
    write(home, "emergency.updated", "while Mosquitto was away");
    assert_eq!(lag(home), 1);
    home.ok(&["start", "mosquitto"]);
    everything_is_taken(home);

    kill(bridge);
    write(home, "emergency.updated", "while no bridge was there");
    phone = self::phone(home, 1);
    bridge = self::bridge(home);
    assert_eq!(self::heard(phone.finish()), ["while no bridge was there"]);
    everything_is_taken(home);
    end(bridge);
    assert_eq!(lag(home), 0);
}

fn bridge(home: &Home) -> Running {
    let mut bridge = Running::start(home, &["bridge", "run", "--emergency-status"]);
    bridge.wait_for("emergency status updates go to emergency/+/status");
    bridge
}

/// The device of that user, which hears as many messages and ends.
fn phone(home: &Home, count: usize) -> Running {
    let (topic, count) = (format!("emergency/{USER}/status"), count.to_string());
    let arguments = ["sub", &topic, "--as", "panic-0001", "--count", &count, "--timeout", "60s"];
    let mut phone = Running::start(home, &arguments);
    phone.wait_for("listening to ");
    phone
}

fn heard((bytes, code): (Vec<u8>, Option<i32>)) -> Vec<String> {
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(code, Some(0), "{text}");
    let status = |line: &str| serde_json::from_str::<Value>(line).unwrap()["status"].as_str().unwrap().to_owned();
    text.lines().map(status).collect()
}

/// As a service does, with the user as key.
fn write(home: &Home, topic: &str, status: &str) {
    let record = format!(r#"{{"userId":"{USER}","status":"{status}"}}"#);
    home.ok(&["pub", topic, &record, "-k", USER]);
}

fn lag(home: &Home) -> i64 {
    home.json(&["group", "describe", GROUP])["lag"].as_i64().unwrap()
}

fn everything_is_taken(home: &Home) {
    eventually("Mosquitto has it all", PATIENCE, || lag(home) == 0);
}
