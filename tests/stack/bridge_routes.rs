//! Routes of one's own: changed under load, overlapping, slow; owners and devices that change while messages wait; and several
//! bridges that share.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::bridge::{arrive, end, header, lines, records};
use crate::disk::SmallDisk;
use crate::harness::{Home, eventually, send_signal};
use crate::messages::{PATIENCE, Running, feed};

/// What depends on the server's version.
pub fn subscriptions_follow_the_routes(home: &Home) {
    a_change_under_load_loses_nothing(home);
    what_no_route_takes_is_not_sent_any_more(home);
    routes_that_change_without_a_server_are_followed(home);
    filters_that_overlap_give_one_record(home);
}

/// All of this, against one stack.
pub fn routes_are_the_users(home: &Home) {
    subscriptions_follow_the_routes(home);
    no_press_waits_for_another_routes_jq(home);
    what_waits_stays_as_it_was_received(home);
    bridges_share_where_the_server_shares(home);
    // The stack's own bridge has been away for the last two: its session has gathered the same.
    let own = bridge(home, "routes: []", &[]);
    home.ok(&["pub", "geofence/user-1001/enter", r#"{"last":"of all"}"#, "--qos", "1"]);
    arrive(home, "location.geofence", 1, |record| record["value"]["last"] == "of all");
    end(own);
}

/// A file of routes, and a bridge that has subscribed to what they take.
fn bridge(home: &Home, routes: &str, more: &[&str]) -> Running {
    let file = home.path().join("routes.yaml");
    std::fs::write(&file, routes).unwrap();
    let mut running = Running::start(home, &[&["bridge", "run", "--routes", file.to_str().unwrap()], more].concat());
    running.wait_for("subscribed");
    running
}

const RESUBSCRIBED: &str = "subscribed to the topics of the new routes";

/// Other routes for a bridge that runs; until it is subscribed to what they take.
fn change(home: &Home, bridge: &mut Running, routes: &str) {
    let count = |bridge: &mut Running| bridge.said().iter().filter(|line| line.contains(RESUBSCRIBED)).count();
    let before = count(bridge);
    std::fs::write(home.path().join("routes.yaml"), routes).unwrap();
    send_signal(bridge.child.id(), Signal::HUP);
    eventually("the bridge is subscribed to what the new routes take", PATIENCE, || count(bridge) > before);
}

fn route(name: &str, filter: &str) -> String {
    format!("  - {{name: {name}, filter: '{filter}', topic: audit.access, key: {name}}}\n")
}

/// The numbers that a topic's records have in a field, in the order of the topic.
fn numbers(home: &Home, topic: &str, field: &str) -> Vec<u64> {
    records(home, topic).iter().filter_map(|record| record["value"][field].as_u64()).collect()
}

fn a_change_under_load_loses_nothing(home: &Home) {
    let vip = route("vip", "wearable/vip-1/#");
    let variants = [
        format!("routes:\n{vip}"),
        "routes:\n  - {name: activity, enabled: false}\n  - {name: alert, value: '{changed: .changes}'}\n".to_owned(),
        format!("routes:\n{vip}{}", route("one", "device/device-12345/status")),
        "routes: []\n".to_owned(),
    ];
    // On a machine that has a lot to do, an expression may take longer than a bridge would wait.
    let mut bridge = bridge(home, &variants[3], &["--jq-timeout", "5s"]);
    let many = 3_000;
    let kinds = [("1", "geofence/user-1001/enter"), ("2", "device/device-12345/alert")];
    std::thread::scope(|scope| {
        let publishing = kinds.map(|(qos, topic)| {
            let lines = lines(0..many, |n| format!(r#"{{"changes":{n}}}"#));
            scope.spawn(move || {
                let sent = feed(home, &["pub", topic, "--lines", "--qos", qos, "--rate", "1000/s"], lines.as_bytes());
                assert_eq!(sent.code, Some(0), "{sent:?}");
            })
        });
        for routes in variants.iter().cycle() {
            change(home, &mut bridge, routes);
            if publishing.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
    });
    let all: Vec<u64> = (0..many).collect();
    // By the route of the moment, with an expression or without.
    for (topic, fields) in [("location.geofence", &["changes"][..]), ("device.alerts", &["changes", "changed"])] {
        let of = |record: &Value| fields.iter().find_map(|field| record["value"][*field].as_u64());
        let found = |topic: &str| records(home, topic).iter().filter_map(of).collect::<Vec<_>>();
        let mut seen = Vec::new();
        eventually("what the kept routes take is in Kafka", PATIENCE, || {
            seen = found(topic);
            seen.len() + found("dlq.failed-messages").len() >= all.len()
        });
        assert_eq!(seen, all, "{topic}: each once, in order; dead letters: {:?}", found("dlq.failed-messages"));
    }
    end(bridge);
}

fn routes_that_change_without_a_server_are_followed(home: &Home) {
    let mut bridge = bridge(home, "routes: []", &[]);
    home.ok(&["stop", "mosquitto"]);
    bridge.wait_for("reconnecting");
    std::fs::write(home.path().join("routes.yaml"), format!("routes:\n{}", route("vip", "wearable/vip-1/#"))).unwrap();
    send_signal(bridge.child.id(), Signal::HUP);
    bridge.wait_for("the routes were reloaded");
    home.ok(&["start", "mosquitto"]);
    bridge.wait_for(RESUBSCRIBED);
    end(bridge);
}

/// What a bridge has received and delivered, as it says in the end.
fn end_counted(mut bridge: Running) -> (u64, u64) {
    send_signal(bridge.child.id(), Signal::TERM);
    assert_eq!(bridge.code(), Some(0), "{:?}", bridge.said());
    let said = bridge.said().iter().rev().find(|line| line.contains("received ")).unwrap().clone();
    let words: Vec<&str> = said.split_whitespace().collect();
    let after = |word: &str| words[words.iter().position(|other| *other == word).unwrap() + 1].parse().unwrap();
    (after("received"), after("delivered"))
}

fn what_no_route_takes_is_not_sent_any_more(home: &Home) {
    let without = "routes:\n  - {name: geofence, enabled: false}\n";
    let gone = |home: &Home| {
        home.ok(&["pub", "geofence/user-1001/enter", r#"{"for":"nobody"}"#, "--qos", "1", "--repeat", "20"])
    };
    let kept = |home: &Home, text: &str| {
        home.ok(&["pub", "device/device-12345/status", &format!(r#"{{"kept":"{text}"}}"#), "--qos", "1"]);
        arrive(home, "device.telemetry", 1, |record| record["value"]["kept"] == text);
    };
    // A bridge that runs is told of it; one that was started otherwise finds what the last one subscribed to.
    let mut first = bridge(home, "routes: []", &[]);
    change(home, &mut first, without);
    gone(home);
    kept(home, "by the one that was told");
    assert_eq!(end_counted(first), (1, 1));
    end(bridge(home, "routes: []", &[]));
    let second = bridge(home, without, &[]);
    gone(home);
    kept(home, "by the one that was started");
    assert_eq!(end_counted(second), (1, 1));
}

/// Mosquitto sends a message once for each filter: for the bridge it is one.
fn filters_that_overlap_give_one_record(home: &Home) {
    let routes = [
        route("part", "wearable/vip-1/#"),
        route("all", "device/vip-1/alert"),
        "  - {name: own, filter: 'panic/{device}/press', topic: emergency.created, emergency: true, qos: 2}\n"
            .to_owned(),
        route("panic", "panic/+/#"),
        "  - {name: press, enabled: false}\n  - {name: battery, enabled: false}\n".to_owned(),
    ];
    let bridge = bridge(home, &format!("routes:\n{}", routes.concat()), &[]);
    let before = records(home, "emergency.created").len();
    for topic in ["wearable/vip-1/fall", "wearable/vip-1/heartrate", "device/vip-1/alert", "device/vip-2/alert"] {
        for qos in ["0", "1", "2"] {
            home.ok(&["pub", topic, r#"{"overlaps":true}"#, "--qos", qos]);
        }
    }
    home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2", "--repeat", "5"]);
    let is_ours = |record: &Value| record["value"]["overlaps"] == true;
    arrive(home, "audit.access", 9, is_ours);
    arrive(home, "device.alerts", 3, is_ours);
    arrive(home, "emergency.created", before + 5, |_| true);
    let (received, delivered) = end_counted(bridge);
    // Each press makes a dead letter, too: it has no position.
    assert_eq!(delivered, 9 + 3 + 2 * 5, "of {received} that were received");
    let ours = |topic: &str| records(home, topic).iter().filter(|record| is_ours(record)).count();
    assert_eq!((ours("audit.access"), ours("device.alerts")), (9, 3));
    assert_eq!(records(home, "emergency.created").len(), before + 5);
    assert_eq!(ours("device.telemetry"), 0, "the first route takes it");
}

/// An expression that does not end takes four seconds here until it rests.
fn no_press_waits_for_another_routes_jq(home: &Home) {
    let routes = "routes:\n  - {name: alert, value: 'def f: f; f'}\n  - {name: fall, value: '{fell: .}'}\n";
    let bridge = bridge(home, routes, &["--jq-timeout", "400ms"]);
    let mut reader = Running::listen(home, &["sub", "emergency.created", "device.alerts", "--count", "2"]);
    home.ok(&["pub", "device/slow-1/alert", "{}", "--qos", "1", "--repeat", "50"]);
    let start = Instant::now();
    home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2"]);
    home.ok(&["pub", "wearable/wearable-0001/fall", "{}", "--qos", "2"]);
    assert_eq!(reader.code(), Some(0), "{:?}", reader.said());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let is_slow = |letter: &Value| letter["key"] == "slow-1";
    let letters = arrive(home, "dlq.failed-messages", 50, is_slow);
    assert!(letters.iter().all(|letter| header(letter, "reason").unwrap().starts_with("jq: ")), "{letters:?}");
    end(bridge);
}

/// Kafka is away, and then the disk is full: as many messages as the server sends without an answer are in flight.
fn what_waits_stays_as_it_was_received(home: &Home) {
    let at = home.path().join("flight");
    let Some(disk) = SmallDisk::mount(&at, "64M") else {
        println!("SKIPPED: only root may mount a small disk");
        return;
    };
    let journal = at.join("journal");
    let routes = "routes:\n  - {name: alert, key: '{owner}', value: '{owner: $owner, waits: .n}'}\n";
    let more = ["--journal", journal.to_str().unwrap(), "--journal-max", "32M", "--jq-timeout", "5s"];
    let mut bridge = bridge(home, routes, &more);
    home.ok(&["device", "add", "changes-hands", "--owner", "user-before"]);
    home.ok(&["stop", "kafka"]);
    let alerts = |numbers| lines(numbers, |n| format!(r#"{{"n":{n}}}"#));
    let publish = |text: &str| {
        let arguments = ["pub", "device/changes-hands/alert", "--lines", "--qos", "1", "--as", "changes-hands"];
        assert_eq!(feed(home, &arguments, text.as_bytes()).code, Some(0));
    };
    publish(&alerts(0..50));
    bridge.wait_for("written to the journal");
    home.ok(&["device", "rotate", "changes-hands"]);
    publish(&alerts(50..60));
    eventually("all of them are in the journal", PATIENCE, || waiting(home, &journal) == 60);
    home.ok(&["device", "remove", "changes-hands"]);
    home.ok(&["device", "add", "changes-hands", "--owner", "user-after"]);
    let flying = 8_000;
    every_message_is_in_flight(home, &disk, &mut bridge, flying);
    eventually("all of them are in the journal", PATIENCE, || waiting(home, &journal) == 60 + flying);
    home.ok(&["start", "kafka"]);

    let of = |owner: &'static str| move |record: &Value| record["value"]["owner"] == owner && record["key"] == owner;
    let old = arrive(home, "device.alerts", 60, of("user-before"));
    let numbers_of =
        |records: &[Value]| records.iter().map(|record| record["value"]["waits"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers_of(&old), (0..60).collect::<Vec<_>>(), "as they were received");
    let flown = || numbers(home, "location.geofence", "flight");
    eventually("whatever was in flight is in Kafka", PATIENCE, || flown().len() as u64 >= flying);
    assert_eq!(flown(), (0..flying).collect::<Vec<_>>(), "each once, in order");
    publish(&alerts(60..70));
    let new = arrive(home, "device.alerts", 10, of("user-after"));
    assert_eq!(numbers_of(&new), (60..70).collect::<Vec<_>>());
    end(bridge);
    home.ok(&["device", "remove", "changes-hands"]);
}

fn waiting(home: &Home, journal: &Path) -> u64 {
    home.json(&["bridge", "journal", "inspect", "--journal", journal.to_str().unwrap()])["messages"].as_u64().unwrap()
}

/// More messages than may be in flight, none of which can be made safe: nothing turns in circles, and nothing is lost.
fn every_message_is_in_flight(home: &Home, disk: &SmallDisk, bridge: &mut Running, many: u64) {
    disk.fill();
    let text = lines(0..many, |n| format!(r#"{{"flight":{n}}}"#));
    let sent = feed(home, &["pub", "geofence/user-1001/exit", "--lines", "--qos", "1"], text.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    bridge.wait_for("No space left on device");
    let busy = || ticks(bridge.child.id());
    eventually("the bridge has read what it may, and stands still", PATIENCE, || {
        let before = busy();
        std::thread::sleep(Duration::from_millis(500));
        // It looks at the disk all the time; a hundred ticks are a second.
        busy() - before < 20
    });
    disk.empty();
}

/// What a process has worked so far.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Mosquitto deals messages out by turns, so that their order is nobody's; but each is delivered, and once.
fn bridges_share_where_the_server_shares(home: &Home) {
    let start = |name: &str| {
        let journal = home.path().join(name);
        bridge(home, "routes: []", &["--share", "bridges", "--journal", journal.to_str().unwrap()])
    };
    let bridges = [start("first"), start("second")];
    let many = 400;
    let text = lines(0..many, |n| format!(r#"{{"shared":{n}}}"#));
    let sent = feed(home, &["pub", "geofence/user-1001/enter", "--lines", "--qos", "1"], text.as_bytes());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    eventually("all of them are in Kafka", PATIENCE, || {
        numbers(home, "location.geofence", "shared").len() as u64 >= many
    });
    let delivered = bridges.map(|bridge| end_counted(bridge).1);
    assert!(delivered.iter().all(|one| *one > many / 4), "both work: {delivered:?}");
    let found = numbers(home, "location.geofence", "shared");
    let distinct: BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!((found.len() as u64, distinct), (many, (0..many).collect()), "each once");
}
