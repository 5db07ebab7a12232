//! Two stacks on one machine do not see each other.

use crate::harness::{Home, On};

#[test]
fn two_stacks_stand_side_by_side() {
    if !On::Process.is_here() {
        return;
    }
    let first = Home::new(On::Process, 23_000);
    let second_on = if On::Docker.is_here() { On::Docker } else { On::Process };
    let second = Home::new(second_on, 10_000);
    first.up();
    // The second one is as small as it can be.
    second.write_stack_file("zookeeper: {nodes: 1}\nkafka: {brokers: 1}");
    second.up();
    let topics = second.json(&["topic", "list"]);
    assert!(topics.as_array().unwrap().iter().all(|topic| topic["replication_factor"] == 1), "{topics:#}");
    second.ok(&["pub", "audit.changes", "acknowledged by one"]);
    first.ok(&["pub", "audit.access", "for the first only"]);
    let read = |home: &Home| home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert_eq!(read(&first), "for the first only\n");
    assert_eq!(read(&second), "");
    assert_ne!(first.environment()["MQTT_PASSWORD"], second.environment()["MQTT_PASSWORD"]);
    first.ok(&["down", "--volumes", "--yes"]);
    assert_eq!(second.json(&["status"])["healthy"], true, "the other one is untouched");
}
