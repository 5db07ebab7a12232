//! The bridge: what Mosquitto was told is ours arrives in Kafka, whoever is killed and whatever is away meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::bridge_login;
use crate::bridge_outages::{self, rounds};
use crate::bridge_probe;
use crate::bridge_routes::{routes_are_the_users, subscriptions_follow_the_routes};
use crate::bridge_status;
use crate::disk::SmallDisk;
use crate::harness::{Home, On, eventually, send_signal};
use crate::image;
use crate::messages::{PATIENCE, Running, feed, read_all};

/// How often a bridge is killed under load; `make soak` does it more often.
const KILLS: u32 = 3;

#[test]
fn the_bridge_loses_nothing_as_processes() {
    if !On::Process.is_here() {
        return;
    }
    let home = Home::new(On::Process, 15_500);
    home.up();
    a_press_always_becomes_an_emergency(&home);
    what_is_acknowledged_outlasts_kills(&home);
    a_press_is_one_emergency_whoever_is_killed(&home);
    bridge_outages::brokers_and_bridges_are_killed(&home);
    kafka_away_is_what_the_journal_is_for(&home);
    bridge_probe::a_probe_alarms_nobody_but_the_operator(&home);
    bridge_outages::an_outage_is_not_the_end_of_a_topic(&home);
    // What it sends comes once more: the next bridge has another session.
    bridge_outages::mosquitto_is_killed(&home);
    the_standby_takes_over(&home);
    bridge_status::what_services_write_gets_to_people(&home);
    another_cluster_does_not_get_what_waits(&home);
    a_full_disk_holds_no_press_back(&home);
    routes_are_the_users(&home);
    // So late because whoever reads this topic afterwards reads all of it.
    what_was_queued_meanwhile_arrives(&home);
    // Last: Mosquitto 2.0.11 crashes where much is subscribed after it has reloaded logins under open sessions.
    bridge_login::the_bridge_has_a_login_of_its_own(&home);
    what_waits_goes_with_the_stack_and_is_told(&home);
}

#[test]
fn the_bridge_loses_nothing_in_docker() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 16_500);
    // The newer one, which keeps its messages in SQLite; processes are of the older one.
    let image = std::env::var_os("SOSSTACK_TEST_STACK_FILE").map_or("", |_| ", image: sosstack-test/mosquitto:2.1.2");
    home.write_stack_file(&format!("mosquitto: {{version: 2.1.2{image}}}"));
    home.up();
    a_press_always_becomes_an_emergency(&home);
    what_is_acknowledged_outlasts_kills(&home);
    subscriptions_follow_the_routes(&home);
    bridge_login::the_bridge_has_a_login_of_its_own(&home);
    bridge_outages::mosquitto_is_killed(&home);
    image::the_image_carries_a_bridge(&home);
}

/// A bridge that has subscribed.
pub fn bridge(home: &Home) -> Running {
    let mut running = Running::start(home, &["bridge", "run"]);
    running.wait_for("subscribed");
    running
}

pub fn end(mut bridge: Running) {
    send_signal(bridge.child.id(), Signal::TERM);
    assert_eq!(bridge.code(), Some(0), "{:?}", bridge.said());
}

pub fn kill(mut bridge: Running) {
    bridge.child.kill().unwrap();
    bridge.child.wait().unwrap();
}

/// The records of a topic, as envelopes.
pub fn records(home: &Home, topic: &str) -> Vec<Value> {
    let bytes = read_all(home, topic, &["-o", "json"]);
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn header(record: &Value, name: &str) -> Option<String> {
    let headers = record["headers"].as_array()?;
    let header = headers.iter().find(|header| header["name"] == name)?;
    Some(header["value"].as_str()?.to_owned())
}

/// Waits until this many of a topic's records satisfy a condition.
pub fn arrive(home: &Home, topic: &str, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut found = Vec::new();
    eventually(&format!("{count} records arrive in {topic}"), PATIENCE, || {
        found = records(home, topic).into_iter().filter(|record| wanted(record)).collect();
        found.len() >= count
    });
    found
}

fn a_press_always_becomes_an_emergency(home: &Home) {
    let bridge = bridge(home);
    let press = r#"{"type":"MEDICAL","latitude":52.5,"longitude":13.4}"#;
    let payloads = [press, "{}", "", "nonsense", "[1]"];
    for payload in payloads {
        home.ok(&["pub", "panic/panic-0001/press", payload, "--qos", "2"]);
    }
    home.ok(&["pub", "emergency/user-1001/trigger", "{}", "--qos", "2"]);
    home.ok(&["pub", "panic/nobody-has-it/press", press, "--qos", "2"]);
    let emergencies = arrive(home, "emergency.created", payloads.len() + 2, |_| true);
    assert_eq!(emergencies.len(), payloads.len() + 2, "one each");
    for record in &emergencies {
        let value = &record["value"];
        assert_eq!(record["key"], value["emergencyId"], "{record}");
        assert!(header(record, "event-id").is_some() && value["timestamp"].is_string(), "{record}");
    }
    let of = |user: Value| emergencies.iter().filter(|record| record["value"]["userId"] == user).count();
    assert_eq!((of("user-1003".into()), of("user-1001".into()), of(Value::Null)), (payloads.len(), 1, 1));
    let medical = emergencies.iter().filter(|record| record["value"]["type"] == "MEDICAL").count();
    assert_eq!(medical, 2);
    let letters = arrive(home, "dlq.failed-messages", 1, |letter| letter["value"] == "nonsense");
    assert!(header(&letters[0], "reason").is_some(), "{letters:?}");
    // Kept copies of the past open no emergency, now or when the next bridge subscribes.
    end(bridge);
}

/// Numbered lines to an MQTT topic, and the bridge killed again and again meanwhile.
fn what_is_acknowledged_outlasts_kills(home: &Home) {
    let kills = std::env::var("SOSSTACK_SOAK_ROUNDS").ok().map_or(KILLS, |text| text.parse().unwrap());
    let kinds =
        [("1", "device/device-12345/status", "device.telemetry"), ("2", "device/device-12345/alert", "device.alerts")];
    let many = 1_000 * u64::from(kills);
    for (qos, from, to) in kinds {
        let mut bridge = bridge(home);
        let lines = lines(0..many, |n| format!(r#"{{"eventId":"{qos}-{n}","n":{n},"kills":true}}"#));
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| {
                let sent = feed(home, &["pub", from, "--lines", "--qos", qos, "--rate", "1000/s"], lines.as_bytes());
                assert_eq!(sent.code, Some(0), "{sent:?}");
            });
            for _ in 0..kills {
                // The moment is what varies: there is no condition to wait for.
                std::thread::sleep(Duration::from_millis(700));
                kill(std::mem::replace(&mut bridge, Running::of_silent(idle())));
                bridge = self::bridge(home);
            }
            publishing.join().unwrap();
        });
        let mut seen = BTreeSet::new();
        let mut first = Vec::new();
        eventually("everything that was acknowledged is in Kafka", PATIENCE, || {
            let all = records(home, to);
            let numbers = all.iter().filter(|record| record["value"]["kills"] == true);
            seen.clear();
            first = numbers.filter_map(|record| record["value"]["n"].as_u64()).filter(|n| seen.insert(*n)).collect();
            seen.len() as u64 == many
        });
        assert!(first.is_sorted(), "at QoS {qos}, the first of each came in order");
        end(bridge);
    }
}

pub fn lines(numbers: Range<u64>, line: impl Fn(u64) -> String) -> String {
    numbers.map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Something to hold the place of a bridge that was killed.
fn idle() -> std::process::Child {
    std::process::Command::new("true").spawn().unwrap()
}

fn a_press_is_one_emergency_whoever_is_killed(home: &Home) {
    let before = ids(home).len();
    let presses = 12;
    let mut bridge = bridge(home);
    for press in 0..presses {
        home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2"]);
        if press % 3 == 2 {
            kill(bridge);
            bridge = self::bridge(home);
        }
    }
    eventually("each press has its emergency", PATIENCE, || ids(home).len() >= before + presses);
    end(bridge);
    assert_eq!(ids(home).len(), before + presses, "one emergency id for each press");
}

fn ids(home: &Home) -> BTreeSet<String> {
    let id = |record: &Value| record["value"]["emergencyId"].as_str().unwrap().to_owned();
    records(home, "emergency.created").iter().map(id).collect()
}

fn kafka_away_is_what_the_journal_is_for(home: &Home) {
    let mut bridge = bridge(home);
    home.ok(&["stop", "kafka"]);
    let many = 3_000;
    let lines = lines(0..many, |n| format!(r#"{{"away":{n}}}"#));
    let sent = feed(home, &["pub", "geofence/user-1001/enter", "--lines", "--qos", "1"], lines.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    bridge.wait_for("written to the journal");
    let waiting = |home: &Home| home.json(&["bridge", "journal", "inspect"])["messages"].as_u64().unwrap();
    eventually("all of them are in the journal", PATIENCE, || waiting(home) == many);
    // Acknowledged to Mosquitto by now: only the journal has them.
    kill(bridge);
    home.ok(&["start", "kafka"]);
    let bridge = self::bridge(home);
    let is_ours = |record: &Value| record["value"]["away"].is_number();
    let found = arrive(home, "location.geofence", usize::try_from(many).unwrap(), is_ours);
    let numbers: Vec<u64> = found.iter().map(|record| record["value"]["away"].as_u64().unwrap()).collect();
    let mut seen = BTreeSet::new();
    let first: Vec<u64> = numbers.into_iter().filter(|number| seen.insert(*number)).collect();
    assert_eq!(first, (0..many).collect::<Vec<_>>(), "all of them, in order");
    eventually("nothing waits any more", PATIENCE, || waiting(home) == 0);
    end(bridge);
}

/// No bridge runs, and the session gathers as much as Mosquitto keeps for one client.
fn what_was_queued_meanwhile_arrives(home: &Home) {
    let many = 100_000;
    let lines = lines(0..many, |n| format!(r#"{{"queued":{n}}}"#));
    let sent = feed(home, &["pub", "geofence/user-1001/exit", "--lines", "--qos", "1"], lines.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let bridge = self::bridge(home);
    let is_ours = |record: &Value| record["value"]["queued"].is_number();
    let found = arrive(home, "location.geofence", usize::try_from(many).unwrap(), is_ours);
    let numbers = found.iter().map(|record| record["value"]["queued"].as_u64().unwrap());
    assert!(numbers.eq(0..many), "all of them, once and in order");
    end(bridge);
}

fn the_standby_takes_over(home: &Home) {
    let mut active = bridge(home);
    // What its session has gathered while Mosquitto was killed comes before anything else, and takes its time in a soak.
    home.ok(&["pub", "geofence/user-1001/exit", r#"{"after":"what waited"}"#, "--qos", "1"]);
    eventually("what waited is delivered", PATIENCE * rounds(), || {
        assert_eq!(active.child.try_wait().unwrap(), None, "{:?}", active.said());
        records(home, "location.geofence").iter().any(|record| record["value"]["after"] == "what waited")
    });
    let mut standby = Running::start(home, &["bridge", "run"]);
    standby.wait_for("standby");
    kill(active);
    standby.wait_for("the session was resumed");
    home.ok(&["pub", "geofence/user-1001/exit", r#"{"after":"the takeover"}"#, "--qos", "1"]);
    arrive(home, "location.geofence", 1, |record| record["value"]["after"] == "the takeover");
    end(standby);
}

/// Told of a journal that another cluster's records wait in, a bridge delivers nothing.
fn another_cluster_does_not_get_what_waits(home: &Home) {
    let mut bridge = bridge(home);
    home.ok(&["stop", "kafka"]);
    home.ok(&["pub", "geofence/user-1001/enter", r#"{"for":"this cluster"}"#, "--qos", "1"]);
    bridge.wait_for("written to the journal");
    end(bridge);
    home.ok(&["start", "kafka"]);
    let identity = home.stack_dir().join("bridge/journal.json");
    let text = std::fs::read_to_string(&identity).unwrap();
    let mut noted: Value = serde_json::from_str(&text).unwrap();
    noted["cluster_id"] = "of-another-cluster".into();
    std::fs::write(&identity, noted.to_string()).unwrap();
    let refused = home.run(&["bridge", "run"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("of-another-cluster"), "{refused:?}");
    std::fs::write(&identity, text).unwrap();
    let bridge = self::bridge(home);
    arrive(home, "location.geofence", 1, |record| record["value"]["for"] == "this cluster");
    end(bridge);
}

/// Without room for the journal, and with Kafka there, presses go their way.
fn a_full_disk_holds_no_press_back(home: &Home) {
    let at = home.path().join("small");
    let Some(disk) = SmallDisk::mount(&at, "40M") else {
        println!("SKIPPED: only root may mount a small disk");
        return;
    };
    let journal = at.join("journal");
    let mut running = Running::start(home, &["bridge", "run", "--journal", journal.to_str().unwrap()]);
    running.wait_for("subscribed");
    disk.fill();
    let before = ids(home).len();
    // More than fits into the page that the journal has already.
    let presses = 100;
    let sent =
        feed(home, &["pub", "panic/panic-0001/press", "--lines", "--qos", "2"], "{}\n".repeat(presses).as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    eventually("each press has its emergency", PATIENCE, || ids(home).len() == before + presses);
    running.wait_for("No space left on device");
    end(running);
    // Another journal is another session: the first one has gathered the same presses meanwhile.
    let first = bridge(home);
    eventually("the first session's are delivered, too", PATIENCE, || ids(home).len() == before + 2 * presses);
    end(first);
}

fn what_waits_goes_with_the_stack_and_is_told(home: &Home) {
    let mut bridge = bridge(home);
    let busy = home.run(&["down", "--volumes", "--yes"]);
    assert!(busy.code == Some(1) && busy.stderr.contains("a bridge"), "{busy:?}");
    home.ok(&["stop", "kafka"]);
    home.ok(&["pub", "geofence/user-1001/enter", r#"{"for":"nobody"}"#, "--qos", "1"]);
    bridge.wait_for("written to the journal");
    end(bridge);
    let down = home.run(&["down", "--volumes", "--yes"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    assert!(down.stderr.contains("1 message waiting in the bridge's journal"), "{down:?}");
    assert!(!home.stack_dir().exists());
}
