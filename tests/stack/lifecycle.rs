//! One stack through its whole life, on each runtime: one long story, as every `up` takes seconds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::clients;
use crate::devices;
use crate::harness::{Home, On, send_signal};
use crate::whose;

#[test]
fn a_stack_lives_its_life_as_processes() {
    if On::Process.is_here() {
        story(&Home::new(On::Process, 11_000));
    }
}

#[test]
fn a_stack_lives_its_life_in_docker() {
    if On::Docker.is_here() {
        let home = Home::new(On::Docker, 12_000);
        story(&home);
    }
}

fn story(home: &Home) {
    let first = home.up();
    assert!(first.stdout.is_empty(), "stdout is for data: {first:?}");
    assert!(first.stderr.contains(&format!("Stack {} is ready in", home.stack)), "{first:?}");

    everything_is_there(home);
    what_is_up_is_left_alone(home);
    nobody_else_is_listened_to(home);
    secrets_are_only_the_owners(home);
    clients::our_own_commands_work(home);
    clients::the_fields_clients_work(home);
    clients::a_bridge_of_ones_own_runs_beside_ours(home);
    clients::keys_go_to_the_partition_that_other_producers_choose(home);
    if home.on == On::Docker {
        clients::containers_use_productions_names(home);
    }
    logs_are_shown(home);
    one_service_stops_and_starts(home);
    a_killed_broker_is_healed(home);
    devices_are_added_without_a_restart(home);
    devices::devices_come_and_go(home);
    data_survives_down_and_up(home);
    whose::logins_are_not_silently_replaced(home);
    removing_data_needs_a_yes(home);
}

fn everything_is_there(home: &Home) {
    let status = home.json(&["status"]);
    assert_eq!(status["healthy"], true, "{status:#}");
    let services: Vec<&str> =
        status["services"].as_array().unwrap().iter().map(|s| s["service"].as_str().unwrap()).collect();
    let expected = ["zookeeper-0", "zookeeper-1", "zookeeper-2", "kafka-0", "kafka-1", "kafka-2", "mosquitto"];
    assert_eq!(services, expected);
    let details: Vec<&str> =
        status["services"].as_array().unwrap().iter().map(|s| s["detail"].as_str().unwrap()).collect();
    assert_eq!(details.iter().filter(|detail| **detail == "leader").count(), 1, "{details:?}");
    assert_eq!(status["kafka"]["under_replicated"], 0);

    let topics = home.json(&["topic", "list"]);
    let topics = topics.as_array().unwrap();
    assert_eq!(topics.len(), 13, "{topics:?}");
    let sum = |field: &str| topics.iter().map(|topic| topic[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("partitions"), 45);
    assert!(topics.iter().all(|topic| topic["replication_factor"] == 3 && topic["fully_replicated"] == true));

    let described = home.json(&["topic", "describe", "location.realtime"]);
    assert_eq!(described["detail"].as_array().unwrap().len(), 6);
    let typo = home.run(&["topic", "describe", "emergency.create"]);
    assert_eq!(typo.code, Some(1));
    assert!(typo.stderr.contains("did you mean emergency.created?"), "{typo:?}");

    let devices = home.json(&["device", "list"]);
    let ids: Vec<&str> = devices.as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap()).collect();
    for id in ["device-12345", "esp32-001", "wearable-0001", "panic-0001"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    let listed = home.json(&["list"]);
    let ours = listed.as_array().unwrap().iter().find(|entry| entry["stack"] == home.stack.as_str()).unwrap();
    assert_eq!((&ours["state"], &ours["port_offset"]), (&Value::from("up"), &Value::from(home.offset)));
}

fn what_is_up_is_left_alone(home: &Home) {
    let handles = |home: &Home| -> Vec<String> {
        let status = home.json(&["status"]);
        status["services"].as_array().unwrap().iter().map(|s| s["handle"].as_str().unwrap().to_owned()).collect()
    };
    let before = handles(home);
    // Without the offset: the ports of a stack are kept for its life.
    let again = home.json(&["up"]);
    assert_eq!(again["was_up"], true, "{again:#}");
    assert_eq!(again["created_topics"].as_array().unwrap().len(), 0);
    assert_eq!(handles(home), before);
    let seeded = home.json(&["seed"]);
    assert_eq!(seeded["created_topics"].as_array().unwrap().len(), 0);
}

/// Only 127.0.0.1 is listened on: looked up in the kernel's own table.
fn nobody_else_is_listened_to(home: &Home) {
    let ports: Vec<u64> = home.json(&["status"])["services"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|service| service["ports"].as_array().unwrap().clone())
        .map(|port| port["port"].as_u64().unwrap())
        .collect();
    let mut seen = 0;
    for (table, loopback) in [("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", "0000000000000000FFFF00000100007F")] {
        for line in std::fs::read_to_string(table).unwrap().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields[1].split_once(':').unwrap();
            let port = u64::from_str_radix(port, 16).unwrap();
            let listens = fields[3] == "0A";
            if listens && ports.contains(&port) {
                assert_eq!(address, loopback, "port {port} is open to others");
                seen += 1;
            }
        }
    }
    assert!(seen >= 9, "only {seen} listeners found for {ports:?}");
}

fn secrets_are_only_the_owners(home: &Home) {
    let password = &home.environment()["MQTT_PASSWORD"];
    let printed = home.ok(&["device", "show", "device-12345", "--password"]);
    let device_password = printed.trim_end_matches('\n');
    assert!(device_password.len() >= 20 && !device_password.contains(char::is_whitespace), "{printed:?}");
    for path in files_below(&home.stack_dir()) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let is_secret = text.contains(password.as_str()) || text.contains("PRIVATE KEY") || text.contains("$7$");
        assert!(!is_secret || mode == 0o600, "{} has mode {mode:o}", path.display());
    }
    let logs = home.ok(&["logs"]);
    assert!(!logs.contains(password.as_str()) && !logs.contains(device_password));
    let status = home.json(&["status"]);
    for pid in status["services"].as_array().unwrap().iter().filter_map(|service| service["handle"].as_str()) {
        for file in ["cmdline", "environ"] {
            let Ok(text) = std::fs::read(format!("/proc/{pid}/{file}")) else { continue };
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(password.as_str()) && !text.contains(device_password), "{file} of process {pid}");
        }
    }
    if home.on == On::Docker {
        let containers = Command::new("docker").args(["ps", "-aq"]).output().unwrap().stdout;
        let ids = String::from_utf8(containers).unwrap();
        let inspected = Command::new("docker").arg("inspect").args(ids.split_whitespace()).output().unwrap().stdout;
        let inspected = String::from_utf8(inspected).unwrap();
        assert!(inspected.contains(&home.stack));
        assert!(!inspected.contains(password.as_str()) && !inspected.contains(device_password));
    }
}

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        // Data of the systems themselves: theirs to guard, in directories that only we may enter.
        if kind.is_dir() && entry.file_name() != "volumes" {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

fn logs_are_shown(home: &Home) {
    let of_broker = home.ok(&["logs", "kafka-1"]);
    assert!(of_broker.lines().all(|line| line.contains("kafka-1")), "{of_broker}");
    assert!(of_broker.contains("started (kafka.server.KafkaServer)") || of_broker.contains("started (KafkaServer)"));
    assert_eq!(home.ok(&["logs", "mosquitto", "--tail", "3"]).lines().count(), 3);
    let all = home.ok(&["logs", "--output", "json"]);
    let times: Vec<String> = all
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line["time"].as_str().map(str::to_owned))
        .collect();
    let parsed: Vec<jiff::Timestamp> = times.iter().map(|time| time.parse().unwrap()).collect();
    assert!(parsed.is_sorted(), "lines are merged by time");
    let unknown = home.run(&["logs", "redis"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
}

fn one_service_stops_and_starts(home: &Home) {
    home.ok(&["stop", "kafka-2"]);
    let status = home.run(&["status", "--output", "json"]);
    assert_eq!(status.code, Some(1), "an unhealthy stack is not success");
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["services"][5]["state"], "stopped", "{status:#}");
    home.ok(&["start", "kafka-2"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
}

fn a_killed_broker_is_healed(home: &Home) {
    let status = home.json(&["status"]);
    let handle = status["services"][3]["handle"].as_str().unwrap().to_owned();
    match home.on {
        On::Process => send_signal(handle.parse().unwrap(), Signal::KILL),
        On::Docker => {
            let killed = Command::new("docker").args(["kill", "--signal", "KILL", &handle]).output().unwrap();
            assert!(killed.status.success(), "{killed:?}");
        }
    }
    home.ok(&["up"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
}

fn devices_are_added_without_a_restart(home: &Home) {
    let mosquitto = |status: &Value| status["services"][6]["handle"].as_str().unwrap().to_owned();
    let before = mosquitto(&home.json(&["status"]));
    home.write_stack_file("devices: [{id: late-0001, owner: user-9}]");
    home.ok(&["up"]);
    assert_eq!(mosquitto(&home.json(&["status"])), before, "Mosquitto was not restarted");
    home.ok(&["pub", "device/late-0001/telemetry", "{}", "--as", "late-0001", "--qos", "1"]);
    std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
    home.ok(&["up"]);
    home.ok(&["device", "show", "late-0001"]);
}

fn data_survives_down_and_up(home: &Home) {
    home.ok(&["pub", "emergency.created", "kept", "-k", "e-kept"]);
    home.ok(&["pub", "device/device-12345/status", "retained", "--retain"]);
    let password = home.ok(&["device", "show", "panic-0001", "--password"]);
    let down = home.run(&["down"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    // Whoever types what is advised removes this stack's data, not the default one's.
    assert!(down.stderr.contains(&format!("sosstack down --volumes --stack {}", home.stack)), "{down:?}");
    let gone = home.run(&["status"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains(&format!("stack {} is not running", home.stack)), "{gone:?}");
    home.ok(&["up"]);
    for broker in ["kafka-0", "kafka-1", "kafka-2"] {
        let log = home.ok(&["logs", broker]);
        assert!(log.contains("since clean shutdown file was found"), "{broker} had to recover its log: {log}");
    }
    let read = home.ok(&["sub", "emergency.created", "--from", "beginning", "--until", "now"]);
    assert!(read.lines().any(|line| line == "kept"), "{read}");
    let retained = home.ok(&["sub", "device/device-12345/status", "--count", "1", "--timeout", "10s"]);
    assert_eq!(retained, "retained\n");
    assert_eq!(home.ok(&["device", "show", "panic-0001", "--password"]), password);
}

fn removing_data_needs_a_yes(home: &Home) {
    let refused = home.run(&["down", "--volumes"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("sosstack down --volumes --yes"), "{refused:?}");
    assert_eq!(home.json(&["status"])["healthy"], true, "nothing was touched");
    let foreign = (home.on == On::Docker).then(|| Foreign::make(home));
    home.ok(&["down", "--volumes", "--yes"]);
    home.assert_nothing_left();
    drop(foreign);
}

/// A volume of somebody else whose name begins like ours; must still be there at the end.
struct Foreign(String);

impl Foreign {
    fn make(home: &Home) -> Self {
        let name = format!("sosstack-{}-somebody-elses", home.stack);
        assert!(Command::new("docker").args(["volume", "create", &name]).output().unwrap().status.success());
        Self(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let removed = Command::new("docker").args(["volume", "rm", &self.0]).output().unwrap();
        assert!(removed.status.success(), "down --volumes removed what is not ours");
    }
}
