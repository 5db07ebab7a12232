//! `bridge check`: what messages become, and jq that fails, floods or does not end, in the helper process that the bridge has
//! for it.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{Finished, Machine, collect};

fn check(machine: &Machine, arguments: &[&str], samples: &str) -> Finished {
    let mut command = machine.command(&[&["bridge", "check"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = stdin.write_all(samples.as_bytes());
    drop(stdin);
    collect(child.wait_with_output().unwrap(), machine.path())
}

/// One document for each sample.
fn outcomes(machine: &Machine, routes: &str, samples: &str) -> Vec<Value> {
    // On a machine that has a lot to do, what ends soon may take longer than a bridge would wait.
    let finished = check(machine, &[routes, "--output", "json", "--jq-timeout", "1s"], samples);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_checking_explains() {
    let finished = Machine::bare().run(&["bridge", "check", "--help"]);
    insta::assert_snapshot!("help_bridge_check", finished.stdout);
}

#[test]
fn samples_are_shown_as_what_they_become() {
    let samples = concat!(
        "panic/panic-0001/press {\"eventId\":\"e-1\",\"type\":\"MEDICAL\",\"latitude\":1.50,\"longitude\":2,\"timestamp\":1}\n",
        "{\"topic\":\"device/device-12345/alert\",\"value\":{\"eventId\":\"a-1\"}}\n",
        "\n",
        "panic/nobody/press\n",
        "device/d/command {}\r\n",
        "{\"topic\":\"device/d/alert\",\"retained\":true,\"value\":\"\\u001b[31m\",\"encoding\":\"text\"}\n",
    );
    let machine = Machine::bare();
    let finished = check(&machine, &[], samples);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // The time of receipt and what is random differ from run to run.
    let shown: Vec<String> =
        finished.stdout.lines().take(6).map(|line| line.split(",\"timestamp\":").next().unwrap().to_owned()).collect();
    insta::assert_snapshot!("bridge_check", shown.join("\n"));
    let counted = "The routes are valid. 5 samples: 2 as the routes say, 1 incomplete, 2 ignored.\n";
    assert_eq!(finished.stderr, counted);
    assert!(
        finished.stdout.contains("  incomplete: it is empty; device \"nobody\" has no owner\n"),
        "{}",
        finished.stdout
    );
    assert!(finished.stdout.contains("  ignored: it is a retained copy, of which the route takes none\n"));
    let quiet = check(&machine, &["--quiet"], "");
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_sample_is_a_document() {
    let sample = r#"{"topic":"device/device-12345/alert","qos":1,"headers":[{"name":"source","value":"x"}],"time":"2026-11-24T16:00:00Z","value":{"eventId":"a-1"}}"#;
    let machine = Machine::bare();
    let finished = check(&machine, &["--output", "json"], sample);
    insta::assert_snapshot!("bridge_check_json", finished.stdout);
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let machine = Machine::bare();
    let words = |samples: &str| {
        let finished = check(&machine, &[], samples);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        finished.stderr
    };
    assert!(words("device/d/alert {}\nnonsense\n").starts_with("error: line 2: it is neither an envelope"));
    assert!(words("{\"value\":1}").starts_with("error: line 1: it has no topic"));
    assert!(words("{\"topic\":\"a.b\",\"broker\":\"kafka\",\"value\":1}").contains("a.b is a Kafka topic"));
    assert!(words("{\"topic\":\"a/b\",\"vlaue\":1}").contains("not an envelope"));
}

#[test]
fn invalid_routes_are_all_named() {
    let routes = "routes:\n  - name: alert\n    topic: device.alert\n  - name: press\n    enabled: false\n";
    let machine = Machine::bare().with_file("routes.yaml", routes);
    let finished = check(&machine, &["routes.yaml"], "");
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    let expected = "\
error: the routes are invalid (2 problems)
  routes.yaml:3:5: routes[0].topic: the stack has no topic \"device.alert\"; did you mean \"device.alerts\"?
  routes.yaml:5:5: routes[1].enabled: no route takes all of panic/+/press, which must become an emergency
";
    assert_eq!(finished.stderr, expected);
    let json = check(&machine, &["routes.yaml", "--output", "json"], "");
    let error: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["code"], "invalid_routes");
    assert_eq!(error["error"]["problems"].as_array().unwrap().len(), 2);
    let missing = check(&machine, &["none.yaml"], "");
    assert!(missing.code == Some(2) && missing.stderr.contains("none.yaml: there is no such file"), "{missing:?}");
}

/// Topics of the user's own stack file are known, and so are its devices' owners.
#[test]
fn the_stack_is_the_users() {
    let machine = Machine::bare()
        .with_file("sosstack.yaml", "topics: [{name: my.alerts}]\ndevices: [{id: d-1, owner: u-1}]\n")
        .with_file("routes.yaml", "routes: [{name: alert, topic: my.alerts, key: '{owner}'}]\n");
    let outcome = &outcomes(&machine, "routes.yaml", "device/d-1/alert {}\n")[0];
    let message = &outcome["records"][0]["message"];
    assert_eq!((message["topic"].as_str(), message["key"].as_str()), (Some("my.alerts"), Some("u-1")), "{outcome:#}");
}

#[test]
fn built_in_routes_and_the_schema_are_printed() {
    let machine = Machine::bare();
    let built_in = machine.run(&["bridge", "check", "--built-in"]).stdout;
    let machine = machine.with_file("routes.yaml", &built_in);
    assert_eq!(check(&machine, &["routes.yaml"], "").code, Some(0), "{built_in}");
    let schema: Value = serde_json::from_str(&machine.run(&["bridge", "check", "--schema"]).stdout).unwrap();
    assert!(schema["properties"]["routes"].is_object(), "{schema:#}");
}

const WORKS: &str = "{kind: .t, owner: $owner, device: $device, topic: $topic}";

/// jq runs in a process of its own; whatever becomes of that, the next message finds another one.
#[test]
fn whatever_jq_does_a_press_is_an_emergency() {
    let poison = [
        ("def f: f; f", "did not end within 1000 ms"),
        ("[recurse(.)] | length", "jq: it "),
        ("def f: 1 + f; f", "jq: it ran out of memory or of stack"),
        ("\"x\" * 100000000000", "jq: it ran out of memory or of stack"),
        ("[range(1e12)]", "jq: it "),
        (".a.b.c", "jq: cannot index"),
        ("error(\"no\")", "jq: \"no\""),
        ("empty", "jq: it gives no value"),
        ("., .", "jq: it gives more than one value"),
        ("1", "jq: what it gives is not an object"),
        ("nan", "jq: what it gives is not JSON"),
        ("{type: 5}", "jq: the type it gives is not a short text"),
        ("{x: (\"x\" * 3000000)}", "jq: it gave more than"),
        ("{x: (\"x\" * 700000)}", "what it adds is too large"),
    ];
    let payload = r#"{"a":1,"type":"FIRE","latitude":1,"longitude":2}"#;
    for (jq, reason) in poison {
        let routes = format!(
            "routes:\n  - {{name: press, value: {}}}\n  - {{name: alert, value: {}}}\n",
            serde_json::to_string(jq).unwrap(),
            serde_json::to_string(WORKS).unwrap()
        );
        let machine = Machine::bare().with_file("routes.yaml", &routes);
        let samples = format!("panic/panic-0001/press {payload}\ndevice/device-12345/alert {{\"t\":\"FALL\"}}\n");
        let start = Instant::now();
        let made = outcomes(&machine, "routes.yaml", &samples);
        assert!(start.elapsed() < Duration::from_secs(20), "{jq}");
        let press = &made[0];
        assert_eq!(press["fate"], "incomplete", "{jq}: {press:#}");
        assert!(press["reason"].as_str().unwrap().contains(reason), "{jq}: {}", press["reason"]);
        let value = &press["records"][0]["message"]["value"];
        assert_eq!((&value["userId"], &value["latitude"]), (&"user-1003".into(), &1.into()), "{jq}: {press:#}");
        assert_eq!(press["records"][1]["message"]["topic"], "dlq.failed-messages", "{jq}");
        let alert = &made[1]["records"][0]["message"]["value"];
        let expected =
            r#"{"kind":"FALL","owner":"user-1001","device":"device-12345","topic":"device/device-12345/alert"}"#;
        assert_eq!(alert.to_string(), expected, "{jq}: {:#}", made[1]);
    }
}

#[test]
fn jq_adds_to_an_emergency_but_chooses_neither_its_id_nor_its_time() {
    let jq = "{type: .t, latitude: .p[0], longitude: .p[1], emergencyId: \"x\", timestamp: 0, floor: .f}";
    let routes = format!("routes: [{{name: press, value: '{jq}'}}]\n");
    let machine = Machine::bare().with_file("routes.yaml", &routes);
    // The second one is larger than what a pipe holds.
    let press = |pad: usize| {
        format!(
            "panic/panic-0001/press {{\"t\":\"FIRE\",\"p\":[1.50,2],\"f\":3,\"eventId\":\"e-1\",\"pad\":\"{}\"}}\n",
            "x".repeat(pad)
        )
    };
    let all = outcomes(&machine, "routes.yaml", &(press(0) + &press(900_000)));
    let (made, large) = (&all[0], &all[1]);
    assert_eq!(large["fate"], "routed", "{}", large["reason"]);
    assert_eq!(large["event_id"], made["event_id"]);
    assert_eq!(made["fate"], "routed", "{made:#}");
    let value = &made["records"][0]["message"]["value"];
    assert_eq!(
        (value["type"].as_str(), value["latitude"].to_string(), &value["floor"]),
        (Some("FIRE"), "1.50".to_owned(), &3.into())
    );
    assert_eq!(value["emergencyId"], made["records"][0]["message"]["key"]);
    assert!(value["timestamp"].as_str().unwrap().starts_with("20"), "{value}");
}

/// What does not end takes a tenth of the time at most, so that it holds nobody else up for long.
#[test]
fn jq_that_never_ends_rests_for_a_while() {
    let machine = Machine::bare().with_file("routes.yaml", "routes: [{name: alert, value: 'def f: f; f'}]\n");
    let start = Instant::now();
    let finished = check(&machine, &["routes.yaml", "--output", "json"], &"device/d/alert {}\n".repeat(1000));
    let made: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let resting = made.iter().filter(|one| one["reason"].as_str().unwrap().contains("rests for a while")).count();
    assert!(made.len() == 1000 && resting > 900, "{resting}");
    assert!(made.iter().all(|one| one["fate"] == "dead_letter"));
}

/// Before any broker is asked.
#[test]
fn dead_letters_that_cannot_be_meant_are_refused() {
    let machine = Machine::bare().with_file("bad.yaml", "routes: [{name: mine, filter: a/b, topic: no.such.topic}]");
    let words = |arguments: &[&str]| {
        let finished = machine.run(&[&["bridge", "dlq"], arguments].concat());
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}: {finished:?}");
        finished.stderr
    };
    for wrong in ["15", "0:", ":1", "-1:0", "a:b"] {
        assert!(words(&["show", "--", wrong]).contains("write PARTITION:OFFSET, such as 2:15"), "{wrong}");
        assert!(words(&["replay", "--", "0:1", wrong]).contains("write PARTITION:OFFSET"), "{wrong}");
    }
    assert!(words(&["replay", "0:1", "--reason", "jq"]).contains("cannot be used with"));
    assert!(words(&["list", "--topic", "a/#/b"]).contains("# must be the whole last level"));
    assert!(words(&["list", "--until", "soon"]).contains("write now, a duration ago"));
    for command in [&["list"][..], &["show", "0:1"], &["replay", "--yes"]] {
        let invalid = words(&[command, &["--routes", "bad.yaml"]].concat());
        assert!(invalid.contains("no.such.topic"), "{invalid}");
    }
    let away = machine.run(&["bridge", "dlq", "list"]);
    assert!(away.code == Some(1) && away.stderr.contains("is not running"), "{away:?}");
}

#[test]
fn what_is_said_of_dead_letters() {
    for command in ["list", "show", "replay"] {
        let finished = Machine::bare().run(&["bridge", "dlq", command, "--help"]);
        insta::assert_snapshot!(format!("help_bridge_dlq_{command}"), finished.stdout);
    }
}

#[test]
fn a_probe_that_cannot_be_meant_is_refused() {
    let machine = Machine::bare();
    let often = machine.run(&["bridge", "run", "--probe", "10ms"]);
    assert!(often.code == Some(2) && often.stderr.contains("is not an interval from 1s to 1h"), "{often:?}");
    let elsewhere = ["--bootstrap", "127.0.0.1:1", "--mqtt", "mqtt://127.0.0.1:1", "--journal", "j"];
    let nameless = machine.run(&[&["bridge", "run", "--probe"], &elsewhere[..]].concat());
    assert!(nameless.code == Some(2), "{nameless:?}");
    for word in
        ["no password for sosstack-probe", "SOSSTACK_PROBE_PASSWORD", "sosstack/probe/press", "__sosstack_probe"]
    {
        assert!(nameless.stderr.contains(word), "{word}: {nameless:?}");
    }
}
