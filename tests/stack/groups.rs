//! Consumer groups: reading as a member, showing them, moving them.

use std::io::BufRead;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Home, eventually, interrupt};
use crate::messages::{PATIENCE, Running};

const TOPIC: &str = "notification.push";

pub fn groups_are_read_shown_and_reset(home: &Home) {
    for number in 0..6 {
        home.ok(&["pub", TOPIC, &number.to_string(), "--key", "one"]);
    }
    let read = |more: &[&str]| {
        let arguments =
            [&["sub", TOPIC, "--group", "watchers", "--from", "beginning", "--timeout", "60s"], more].concat();
        home.ok(&arguments).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // What is not acknowledged comes again.
    assert_eq!(read(&["--count", "2"]), ["0", "1"]);
    assert_eq!(read(&["--count", "2", "--ack"]), ["0", "1"]);
    assert_eq!(read(&["--count", "2", "--ack"]), ["2", "3"]);
    let described = home.json(&["group", "describe", "watchers"]);
    assert_eq!(described["lag"], 2, "{described}");
    let topic = home.json(&["topic", "describe", TOPIC]);
    assert_eq!(topic["groups"][0]["group"], "watchers", "{topic}");
    assert_eq!(topic["groups"][0]["lag"], 2, "{topic}");
    let listed = home.json(&["group", "list"]);
    let named = |group: &Value| group["group"] == "watchers";
    assert!(listed.as_array().unwrap().iter().any(named), "{listed}");
    assert!(home.ok(&["group", "describe", "watchers"]).contains("PARTITION"));
    a_live_group_is_left_alone(home);
    a_group_is_moved(home);
}

fn a_live_group_is_left_alone(home: &Home) {
    let mut member = Running::listen(home, &["sub", TOPIC, "--group", "watchers", "--ack"]);
    let mut shown = member.stdout().lines().map(Result::unwrap);
    assert_eq!(shown.next().unwrap(), "4");
    let refused = home.run(&["sub", TOPIC, "--group", "watchers"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("1 live member") && refused.stderr.contains("--join"), "{refused:?}");
    let described = home.json(&["group", "describe", "watchers"]);
    assert_eq!(described["members"][0]["client_id"], "sosstack", "{described}");
    let mut joined = Running::listen(home, &["sub", TOPIC, "--group", "watchers", "--join"]);
    eventually("both are members", PATIENCE, || {
        home.json(&["group", "describe", "watchers"])["members"].as_array().unwrap().len() == 2
    });
    assert_eq!(interrupt(&mut joined.child, Signal::INT), Some(0));
    let moved = home.run(&["group", "reset", "watchers", "--to", "beginning", "--yes"]);
    assert_eq!(moved.code, Some(1), "{moved:?}");
    assert!(moved.stderr.contains("live members"), "{moved:?}");
    std::thread::spawn(move || shown.for_each(drop));
    assert_eq!(interrupt(&mut member.child, Signal::INT), Some(0));
}

fn a_group_is_moved(home: &Home) {
    let asked = home.run(&["group", "reset", "watchers", "--to", "beginning"]);
    assert_eq!(asked.code, Some(2), "without a terminal nobody can agree: {asked:?}");
    assert!(asked.stdout.contains(TOPIC) && asked.stdout.contains("THEN"), "the plan comes first: {asked:?}");
    assert_eq!(home.json(&["group", "describe", "watchers"])["lag"], 0);
    home.ok(&["group", "reset", "watchers", "--to", "beginning", "--yes"]);
    assert_eq!(home.json(&["group", "describe", "watchers"])["lag"], 6);
    home.ok(&["group", "reset", "watchers", "--to", "4", "--topic", TOPIC, "--yes"]);
    let again = home.ok(&["sub", TOPIC, "--group", "watchers", "--count", "2", "--timeout", "60s"]);
    assert_eq!(again, "4\n5\n");
    let long_ago = home.json(&["group", "reset", "watchers", "--to", "1000000000000", "--yes"]);
    assert_eq!(long_ago["partitions"][0]["after"], 0, "13 digits are a time: {long_ago}");
    let unknown = home.run(&["group", "describe", "watcher"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean watchers?"), "{unknown:?}");
}
