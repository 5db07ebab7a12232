//! Believable devices, and the ledger that convicts whoever loses what was acknowledged to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Home, On, ends_within, eventually, interrupt, send_signal};
use crate::messages::{PATIENCE, Running, feed};

/// What devices and their users write to.
const UP: [&str; 5] = ["device/+/+", "wearable/+/+", "panic/+/press", "emergency/+/trigger", "geofence/+/+"];

#[test]
fn devices_are_simulated_and_judged() {
    if !On::Process.is_here() {
        return;
    }
    let home = &Home::new(On::Process, 21_300);
    home.up();
    let before = devices(home);
    what_is_acknowledged_arrives(home);
    assert_eq!(devices(home), before);
    an_interrupted_simulation_leaves_nothing(home);
    assert_eq!(devices(home), before);
    what_a_killed_simulation_left_is_removed(home);
    assert_eq!(devices(home), before);
    the_ledger_convicts(home);
}

fn devices(home: &Home) -> Vec<Value> {
    home.json(&["device", "list"]).as_array().unwrap().clone()
}

fn entries(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn what_is_acknowledged_arrives(home: &Home) {
    let mut listener = Listener::begin(home, &[&["--qos", "2"], UP.as_slice()].concat());
    let words = ["simulate", "--devices", "50", "--rate", "500/s", "--duration", "4s", "--scenario", "burst"];
    let outcome = home.json(&[&words, ["--seed", "7", "--ledger", "ledger.jsonl"].as_slice()].concat());
    assert!(outcome["sent"].as_u64().unwrap() >= 2000, "{outcome}");
    let entries = entries(&home.path().join("ledger.jsonl"));
    let acknowledged: Vec<&Value> = entries.iter().filter(|entry| !entry["acknowledged"].is_null()).collect();
    let last = acknowledged.last().unwrap()["eventId"].as_str().unwrap();
    let received = listener.end(|received| received.contains(last));
    let mut arrived: BTreeMap<String, u32> = BTreeMap::new();
    let mut wills = 0;
    for line in received.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        match message["value"]["eventId"].as_str() {
            Some(id) => *arrived.entry(id.to_owned()).or_default() += 1,
            None => wills += 1,
        }
    }
    let promised: u64 =
        outcome["qos"].as_array().unwrap().iter().map(|qos| qos["acknowledged"].as_u64().unwrap()).sum();
    assert_eq!(acknowledged.len() as u64, promised);
    for qos in [1, 2] {
        assert!(acknowledged.iter().any(|entry| entry["qos"] == qos), "some of QoS {qos}");
    }
    for entry in acknowledged {
        assert_eq!(arrived.get(entry["eventId"].as_str().unwrap()), Some(&1), "{entry}");
    }
    let statuses = entries.iter().filter(|entry| entry["topic"].as_str().unwrap().ends_with("/status"));
    assert!(statuses.count() >= 100, "each says that it is online, and that it leaves");
    assert_eq!(wills, 0, "each left with a goodbye");
    let again = home.run(&["simulate", "--ledger", "ledger.jsonl"]);
    assert!(again.code == Some(2) && again.stderr.contains("already exists"), "{again:?}");
}

/// A subscriber that never waits for whoever reads it.
struct Listener {
    running: Running,
    file: PathBuf,
}

impl Listener {
    fn begin(home: &Home, arguments: &[&str]) -> Self {
        let file = home.path().join("heard.jsonl");
        let mut command = home.command(&[&["sub", "-o", "json"], arguments].concat());
        let child = command.stdout(File::create(&file).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Running::of(child);
        running.wait_for("listening to ");
        Self { running, file }
    }

    fn heard(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn wait(&self, what: &str, is_enough: impl Fn(&str) -> bool) {
        eventually(what, PATIENCE, || is_enough(&self.heard()));
    }

    /// What it heard, once that is enough.
    fn end(&mut self, is_enough: impl Fn(&str) -> bool) -> String {
        self.wait("everything was heard", is_enough);
        assert_eq!(interrupt(&mut self.running.child, Signal::INT), Some(0));
        self.heard()
    }
}

/// How many devices were online again after they had been offline.
fn back(heard: &str) -> usize {
    let (mut away, mut back) = (BTreeSet::new(), BTreeSet::new());
    // The last line may still be written.
    for told in heard.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let device = told["topic"].as_str().unwrap().to_owned();
        if told["value"]["status"] == "offline" {
            away.insert(device);
        } else if away.contains(&device) {
            back.insert(device);
        }
    }
    back.len()
}

/// A storm, so that wills are seen as well.
fn an_interrupted_simulation_leaves_nothing(home: &Home) {
    let mut listener = Listener::begin(home, &["device/+/status"]);
    let mut storm =
        home.spawn(&["simulate", "--devices", "50", "--rate", "100/s", "--scenario", "storm", "--output", "json"]);
    let (pressed, code) =
        Running::listen(home, &["sub", "panic/+/press", "--count", "50", "--timeout", "60s"]).finish();
    assert_eq!((code, pressed.is_empty()), (Some(0), false));
    let busy = home.run(&["simulate"]);
    assert!(busy.code == Some(1) && busy.stderr.contains("is already simulating devices"), "{busy:?}");
    listener.wait("each device is back", |text| back(text) == 50);
    assert_eq!(interrupt(&mut storm, Signal::INT), Some(130));
    let outcome: Value = serde_json::from_reader(storm.stdout.take().unwrap()).unwrap();
    assert_eq!((&outcome["interrupted"], &outcome["reconnects"]), (&json!(true), &json!(50)), "{outcome}");
    let wills = |text: &str| text.lines().filter(|line| line.contains("offline") && !line.contains("eventId")).count();
    assert_eq!(wills(&listener.end(|text| wills(text) >= 50)), 50, "each lost its connection once");
}

fn what_a_killed_simulation_left_is_removed(home: &Home) {
    let before = devices(home).len();
    let mut victim = home.spawn(&["simulate", "--devices", "20", "--rate", "100/s", "--ledger", "killed.jsonl"]);
    let file = home.path().join("killed.jsonl");
    let written = || std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() > 50);
    eventually("messages were entered", Duration::from_secs(30), written);
    let passwords = home.ok(&["device", "list", "--passwords"]);
    assert_eq!(devices(home).len(), before + 20);
    send_signal(victim.id(), Signal::KILL);
    ends_within(&mut victim, Duration::from_secs(5));
    assert!(home.ok(&["device", "list", "--passwords"]).contains("sim-1-00000"), "they are still there");
    home.ok(&["device", "rotate", "esp32-001"]);
    assert_eq!(devices(home).len(), before);
    let line = passwords.lines().find(|line| line.starts_with("sim-1-00000,")).unwrap();
    let environment = home.environment();
    let login = [("MQTT_HOST", "-h"), ("MQTT_PORT", "-p")].map(|(name, flag)| [flag, environment[name].as_str()]);
    let mut client = std::process::Command::new("mosquitto_pub");
    client.args(login.concat()).args(["-u", "sim-1-00000", "-P", line.rsplit(',').next().unwrap()]);
    let refused = client.args(["-t", "device/sim-1-00000/status", "-m", "x"]).output().unwrap();
    assert!(!refused.status.success(), "it is still let in");
}

/// Records as a bridge that drops, doubles, swaps, delays and gives up would write them.
fn the_ledger_convicts(home: &Home) {
    const MESSAGES: u64 = 40;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let mut ledger = format!(
        "{}\n",
        json!({ "ledger": 1, "scenario": "city", "seed": 7, "devices": 1, "rate": 1.0, "stack": "any", "started": now })
    );
    let mut line = |topic: &str, qos: u8, number: u64, acknowledged: Option<i64>| {
        let id = format!("{topic}#{number}");
        let entry = json!({
            "topic": topic, "qos": qos, "device": "d-1", "eventId": id, "sequence": number,
            "intended": now, "sent": now, "acknowledged": acknowledged,
        });
        writeln!(ledger, "{entry}").unwrap();
        id
    };
    let mut records = Vec::new();
    for number in 1..=MESSAGES {
        let time = if number == 30 { now + 9_000 } else { now };
        let id = line("device/d-1/alert", 2, number, Some(now));
        records.push(record("device.alerts", "d-1", time, Place::Header(&id)));
        let id = line("device/d-1/telemetry", 0, number, None);
        records.push(record("device.telemetry", "d-1", now, Place::Value(&id)));
        let id = line("panic/d-1/press", 2, number, (number != 40).then_some(now));
        records.push(record("emergency.created", &id, now, Place::Header(&id)));
    }
    let at = |topic: usize, number: usize| (number - 1) * 3 + topic;
    // Of alerts: 5 and 6 are lost, 7 twice, 10 after 11, 20 is a dead letter. Of telemetry 8 is lost. Of presses 3 is
    // lost, 9 comes three times; 40 was never acknowledged and comes.
    records.swap(at(0, 10), at(0, 11));
    records[at(0, 20)] = record("dlq.failed-messages", "d-1", now, Place::Header("device/d-1/alert#20"));
    records.push(records[at(0, 7)].clone());
    records.extend([records[at(2, 9)].clone(), records[at(2, 9)].clone()]);
    let dropped = BTreeSet::from([at(0, 5), at(0, 6), at(1, 8), at(2, 3)]);
    let kept = records.into_iter().enumerate().filter(|(index, _)| !dropped.contains(index)).map(|(_, record)| record);
    let input = kept.map(|record| record.to_string() + "\n").collect::<String>();
    let sent = feed(home, &["pub", "--envelope"], input.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    std::fs::write(home.path().join("crime.jsonl"), &ledger).unwrap();

    let verify = ["ledger", "verify", "crime.jsonl", "--timeout", "1s"];
    let guilty = home.run(&[verify.as_slice(), ["--output", "json"].as_slice()].concat());
    assert_eq!(guilty.code, Some(1), "{guilty:?}");
    let verdict: Value = serde_json::from_str(&guilty.stdout).unwrap();
    let fine = json!({
        "qos": 1, "messages": 0, "promised": 0, "found": 0, "lost": 0, "duplicated": 0, "reordered": 0, "late": 0,
        "dead_lettered": 0, "found_unacknowledged": 0,
    });
    let with = |changes: Value| {
        let mut all = fine.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    let expected = json!([
        with(json!({ "qos": 0, "messages": 40, "promised": 40, "found": 39, "lost": 1 })),
        fine,
        with(json!({
            "qos": 2, "messages": 80, "promised": 79, "found": 76, "lost": 3, "duplicated": 2, "reordered": 1, "late": 1,
            "dead_lettered": 1, "found_unacknowledged": 1,
        })),
    ]);
    assert_eq!(verdict["qos"], expected);
    let named = |kind: &str| {
        let ids = verdict["examples"][kind].as_array().unwrap().iter();
        ids.map(|entry| entry["eventId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (alert, press) = ("device/d-1/alert", "panic/d-1/press");
    let telemetry = "device/d-1/telemetry#8".to_owned();
    assert_eq!(named("lost"), [format!("{press}#3"), format!("{alert}#5"), format!("{alert}#6"), telemetry]);
    assert_eq!(named("duplicated"), [format!("{alert}#7"), format!("{press}#9")]);
    assert_eq!((named("reordered"), named("late")), (vec![format!("{alert}#10")], vec![format!("{alert}#30")]));
    assert_eq!(named("dead_lettered"), [format!("{alert}#20")]);
    let words = home.run(&verify);
    assert!(words.stdout.contains("\nlost:\n  panic/d-1/press 3 (QoS 2), event id panic/d-1/press#3"), "{words:?}");
    assert!(words.stderr.contains("3 of the messages that were acknowledged"), "{words:?}");

    // What is missing comes while it is waited for: the verdict changes.
    let mut waiting = home.spawn(&["ledger", "verify", "crime.jsonl", "--timeout", "60s"]);
    let late = [("device.alerts", "d-1", "device/d-1/alert#5"), ("device.alerts", "d-1", "device/d-1/alert#6")];
    let late = late.into_iter().chain([("emergency.created", "e", "panic/d-1/press#3")]);
    let late =
        late.map(|(topic, key, id)| record(topic, key, now, Place::Header(id)).to_string() + "\n").collect::<String>();
    assert_eq!(feed(home, &["pub", "--envelope"], late.as_bytes()).code, Some(0));
    assert_eq!(ends_within(&mut waiting, Duration::from_secs(30)).code(), Some(1), "found, but not in order");
    let late = home.run(&[verify.as_slice(), ["--output", "json"].as_slice()].concat());
    let late: Value = serde_json::from_str(&late.stdout).unwrap();
    assert_eq!((&late["qos"][2]["lost"], &late["qos"][2]["reordered"]), (&json!(0), &json!(4)), "{late}");
    refused_elsewhere(home);
}

/// Where the event id is.
#[derive(Clone, Copy)]
enum Place<'a> {
    Header(&'a str),
    Value(&'a str),
}

fn record(topic: &str, key: &str, time: i64, place: Place<'_>) -> Value {
    match place {
        Place::Header(id) => {
            json!({ "topic": topic, "key": key, "time": time, "headers": [{ "name": "event-id", "value": id }], "value": { "any": 1 } })
        }
        Place::Value(id) => json!({ "topic": topic, "key": key, "time": time, "value": { "eventId": id } }),
    }
}

/// Nobody presses buttons by mistake where somebody acts on it.
fn refused_elsewhere(home: &Home) {
    let refused = home.run(&["simulate", "--mqtt", "mqtt://u@broker.example"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("simulated devices press panic buttons on mqtt://u@broker.example"), "{refused:?}");
    assert!(refused.stderr.contains("--real-emergencies"), "{refused:?}");
}
