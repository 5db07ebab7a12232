//! The bridge's own press: counted while it gets through, told while it does not, and nobody's emergency.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::bridge::{end, header, records};
use crate::harness::{Home, eventually};
use crate::messages::{PATIENCE, Running};

/// What the bridge answers on its address for metrics and health: status line, headers and all.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Where a bridge says that it serves metrics.
fn address(bridge: &mut Running) -> String {
    let said = bridge.said();
    said.iter().find_map(|line| Some(line.split_once("http://")?.1.split_once('/')?.0.to_owned())).unwrap()
}

/// A metric's value; 0 where there is none.
pub fn metric(address: &str, name: &str) -> f64 {
    let text = get(address, "/metrics");
    let line =
        text.lines().find_map(|line| line.strip_prefix("sosstack_bridge_")?.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

pub fn a_probe_alarms_nobody_but_the_operator(home: &Home) {
    let alarms = || ["emergency.created", "dlq.failed-messages"].map(|topic| records(home, topic).len());
    let before = alarms();
    let mut bridge = Running::start(home, &["bridge", "run", "--probe", "1s", "--metrics", "127.0.0.1:0"]);
    bridge.wait_for("subscribed");
    let address = address(&mut bridge);
    let is_ready = || get(&address, "/readyz").starts_with("HTTP/1.1 200 ");
    let delivered = || metric(&address, "probe_seconds_count");
    eventually("probes are delivered", PATIENCE, || delivered() >= 2.0);
    assert!(is_ready() && metric(&address, "probe_last_delivered_timestamp_seconds") > 0.0);

    home.ok(&["stop", "kafka"]);
    bridge.wait_for("the probe fails: Kafka has not acknowledged it");
    let unready = get(&address, "/readyz");
    assert!(unready.starts_with("HTTP/1.1 503 ") && unready.contains("Kafka has not acknowledged it"), "{unready}");
    eventually("the next one fails", PATIENCE, || metric(&address, "probes_total{result=\"failed\"}") >= 2.0);
    assert_eq!(home.json(&["bridge", "journal", "inspect"])["messages"], 1, "one is enough to wait for Kafka");
    let so_far = delivered();
    home.ok(&["start", "kafka"]);
    bridge.wait_for("the probe gets through again");
    assert!(is_ready() && delivered() > so_far);
    let fails = bridge.said().iter().filter(|line| line.contains("the probe fails")).count();
    assert_eq!(fails, 1, "it is told once");
    assert!(metric(&address, "delivered_total{lane=\"emergencies\"}") == 0.0, "they are counted apart");
    end(bridge);
    a_bridge_that_does_not_press_is_proven_by_others(home);
    assert_eq!(alarms(), before);
}

fn a_bridge_that_does_not_press_is_proven_by_others(home: &Home) {
    let mut bridge = Running::start(home, &["bridge", "run", "--metrics", "127.0.0.1:0"]);
    bridge.wait_for("subscribed");
    let address = address(&mut bridge);
    eventually("it takes presses of the probe", PATIENCE, || metric(&address, "provable") > 0.0);
    home.ok(&["pub", "sosstack/probe/press", r#"{"eventId":"of another"}"#, "--qos", "2"]);
    let came = || {
        let records = records(home, "__sosstack_probe");
        records.iter().any(|record| header(record, "device-event-id").as_deref() == Some("of another"))
    };
    eventually("the press is in Kafka", PATIENCE, came);
    assert!(metric(&address, "probe_seconds_count") == 0.0 && metric(&address, "delivered_total") == 0.0);
    end(bridge);
}
