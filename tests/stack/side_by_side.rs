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
    taken_ports_name_the_stack_that_has_them(&first, &second);
    first.ok(&["down", "--volumes", "--yes"]);
    assert_eq!(second.json(&["status"])["healthy"], true, "the other one is untouched");
}

/// From a third home, by which neither is known: one remedy for all ports, and no process is to be killed.
fn taken_ports_name_the_stack_that_has_them(first: &Home, second: &Home) {
    let third = Home::new(On::Process, 0);
    for other in [first, second] {
        let data = other.path().join("data");
        let (words, down) = match other.on {
            On::Docker => ("which runs in Docker".to_owned(), String::new()),
            On::Process => (
                format!("of {}/sosstack, which runs as processes", data.display()),
                format!("XDG_DATA_HOME={} ", data.display()),
            ),
        };
        for runtime in [On::Process, On::Docker].into_iter().filter(|on| on.is_here()) {
            let offset = other.offset.to_string();
            let refused = third.run(&["up", "--runtime", runtime.as_str(), "--port-offset", &offset]);
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let causes = refused.stderr.lines().filter(|line| line.contains("taken by")).count();
            assert_eq!(causes, 1, "{refused:?}");
            assert!(refused.stderr.contains("are taken by stack") && refused.stderr.contains(&words), "{refused:?}");
            let remedy = format!("try: {down}sosstack down --stack {}\n  or: sosstack up", other.stack);
            assert!(refused.stderr.contains(&remedy), "{refused:?}");
            assert!(!refused.stderr.contains("kill"), "{refused:?}");
        }
    }
}
