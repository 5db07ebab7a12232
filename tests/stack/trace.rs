//! trace: a press followed from the device to the groups that commit it, and one that happened.

use std::io::BufRead;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{AT_ONCE, Finished, Home, ends_within, eventually, interrupt, send_signal};
use crate::messages::{PATIENCE, Running};

const GROUP: &str = "alarm";

/// With the bridges of a stack that has some; they are up again afterwards.
pub fn a_press_is_traced(home: &Home) {
    let began = Instant::now();
    let before = home.json(&["trace", "panic", "panic-0001", "--timeout", "60s"]);
    assert_eq!(kinds(&before), ["sent", "acknowledged", "seen", "received", "in_kafka"], "{before:#}");
    assert!(before["notes"][0].as_str().unwrap().contains("no group has members and a commit"), "{before:#}");

    let pressed = a_group_commits_it(home);
    it_is_found_again(home, &pressed);
    another_cluster_is_pressed_at_where_that_is_meant(home);
    an_unknown_id_is_looked_for_everywhere(home);
    a_device_that_does_not_exist_presses_nothing(home);
    without_a_bridge_that_is_what_is_missing(home);
    println!("presses were traced for {:?}", began.elapsed());
}

fn kinds(trace: &Value) -> Vec<&str> {
    trace["hops"].as_array().unwrap().iter().map(|hop| hop["hop"].as_str().unwrap()).collect()
}

fn hop<'a>(trace: &'a Value, kind: &str) -> &'a Value {
    let found = trace["hops"].as_array().unwrap().iter().find(|hop| hop["hop"] == kind);
    found.unwrap_or_else(|| panic!("no hop {kind}: {trace:#}"))
}

fn a_group_commits_it(home: &Home) -> Value {
    let member = ["sub", "emergency.created", "--group", GROUP, "--ack", "--from", "beginning"];
    let mut member = Running::listen(home, &member);
    let stdout = member.stdout();
    std::thread::spawn(move || stdout.lines().for_each(drop));
    eventually("it has committed what was there", PATIENCE, || {
        let described = home.run(&["group", "describe", GROUP, "--output", "json"]);
        let described: Value = serde_json::from_str(&described.stdout).unwrap_or_default();
        described["lag"] == 0
            && described["partitions"].as_array().is_some_and(|all| all.iter().any(|one| one["committed"].is_i64()))
    });

    let trace = home.json(&["trace", "panic", "panic-0001", "--timeout", "60s"]);
    assert_eq!(kinds(&trace), ["sent", "acknowledged", "seen", "received", "in_kafka", "committed"], "{trace:#}");
    assert_eq!(trace["missing"].as_array().unwrap().len(), 0, "{trace:#}");
    assert_eq!(hop(&trace, "committed")["group"], GROUP, "{trace:#}");
    assert_eq!(trace["mqtt_topic"], "panic/panic-0001/press");
    let after = |kind| hop(&trace, kind)["after_ms"].as_f64().unwrap();
    for way in [&["sent", "acknowledged"][..], &["sent", "seen"], &["sent", "received", "in_kafka", "committed"]] {
        assert!(way.iter().map(|kind| after(kind)).is_sorted(), "{way:?}: {trace:#}");
    }
    let shown = home.ok(&["trace", "panic", "panic-0001", "--timeout", "60s"]);
    assert!(shown.contains("acknowledged by Mosquitto") && shown.contains(&format!("committed by {GROUP}")), "{shown}");
    assert!(shown.contains('█') && !shown.contains('\u{1b}'), "{shown}");

    assert_eq!(interrupt(&mut member.child, Signal::INT), Some(0));
    trace
}

fn it_is_found_again(home: &Home, pressed: &Value) {
    let place = hop(pressed, "in_kafka");
    for id in ["emergency_id", "event_id", "device_event_id"] {
        let found = home.json(&["trace", pressed[id].as_str().unwrap()]);
        for same in ["emergency_id", "event_id", "device_event_id", "mqtt_topic"] {
            assert_eq!(found[same], pressed[same], "by {id}: {found:#}");
        }
        assert_eq!(kinds(&found), ["sent", "received", "in_kafka", "committed"], "by {id}: {found:#}");
        for part in ["topic", "partition", "offset"] {
            assert_eq!(hop(&found, "in_kafka")[part], place[part], "by {id}: {found:#}");
        }
        assert_eq!(hop(&found, "committed")["group"], GROUP);
    }

    // What services say of it later belongs to it.
    let emergency = pressed["emergency_id"].as_str().unwrap();
    let resolved = format!(r#"{{"emergencyId":"{emergency}","status":"RESOLVED"}}"#);
    home.ok(&["pub", "emergency.resolved", &resolved, "--key", emergency]);
    let found = home.json(&["trace", emergency]);
    assert_eq!(hop(&found, "later")["topic"], "emergency.resolved", "{found:#}");
    let shown = home.ok(&["trace", emergency]);
    assert!(shown.contains("emergency.resolved[") && shown.contains("received by the bridge"), "{shown}");
}

/// The stack as if it were somebody else's: as the backend, and as the device, which may not read what it writes.
fn another_cluster_is_pressed_at_where_that_is_meant(home: &Home) {
    let env = home.environment();
    let device = home.ok(&["device", "show", "panic-0001", "--password"]);
    for (user, password, last) in
        [(&env["MQTT_USERNAME"], &env["MQTT_PASSWORD"], "seen"), (&"panic-0001".to_owned(), &device, "acknowledged")]
    {
        let mqtt = format!("mqtt://{user}@{}:{}", env["MQTT_HOST"], env["MQTT_PORT"]);
        let cluster = ["--bootstrap", &env["KAFKA_BROKERS"], "--mqtt", &mqtt, "--output", "json"];
        let words = ["trace", "panic", "panic-0001", "--timeout", "4s", "--real-emergencies"];
        let mut command = home.command(&[&words[..], &cluster].concat());
        let finished = Finished::from(command.env("SOSSTACK_MQTT_PASSWORD", password.trim()).output().unwrap());
        assert_eq!(finished.code, Some(0), "as {user}: {finished:?}");
        let trace: Value = serde_json::from_str(&finished.stdout).unwrap();
        let kinds = kinds(&trace);
        assert!(kinds.contains(&"in_kafka") && kinds.contains(&last), "as {user}: {trace:#}");
        let says_why = trace["notes"].to_string().contains("panic-0001, which may lack the right to read it");
        assert_eq!(says_why, user == "panic-0001", "as {user}: {trace:#}");
    }
}

fn an_unknown_id_is_looked_for_everywhere(home: &Home) {
    let unknown = home.run(&["trace", "nobody-knows-it"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    for words in ["nobody-knows-it", "emergency.created", "dlq.failed-messages", "retention"] {
        assert!(unknown.stderr.contains(words), "{words}: {unknown:?}");
    }
}

fn a_device_that_does_not_exist_presses_nothing(home: &Home) {
    let unknown = home.run(&["trace", "panic", "panic-001"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean panic-0001?"), "{unknown:?}");
}

fn without_a_bridge_that_is_what_is_missing(home: &Home) {
    home.ok(&["stop", "bridge"]);
    let alone = home.run(&["trace", "panic", "panic-0001", "--timeout", "2s", "--output", "json"]);
    assert_eq!(alone.code, Some(1), "{alone:?}");
    let trace: Value = serde_json::from_str(&alone.stdout).unwrap();
    assert_eq!(kinds(&trace), ["sent", "acknowledged", "seen"], "{trace:#}");
    let missing = &trace["missing"][0];
    assert_eq!((&missing["hop"], trace["missing"].as_array().unwrap().len()), (&"received".into(), 1), "{trace:#}");
    assert!(missing["cause"].as_str().unwrap().contains("bridge-0: it is stopped"), "{trace:#}");
    assert!(missing["remedy"].as_str().unwrap().contains("sosstack up --bridge"), "{trace:#}");
    assert!(alone.stderr.contains("did not reach Kafka"), "{alone:?}");

    // It waits for what does not come.
    let mut watching = Running::listen(home, &["sub", "panic/panic-0001/press", "--count", "1"]);
    let mut waits = home.spawn(&["trace", "panic", "panic-0001", "--timeout", "5m"]);
    ends_within(&mut watching.child, PATIENCE);
    send_signal(waits.id(), Signal::INT);
    assert_eq!(ends_within(&mut waits, AT_ONCE).code(), Some(130));
    home.ok(&["start", "bridge"]);
}
