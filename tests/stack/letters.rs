//! `bridge dlq`: a poisoned message is found, understood, and replayed once its route is mended; a press keeps its emergency.

use serde_json::Value;

use crate::bridge::{arrive, header, records};
use crate::bridged::up;
use crate::harness::{Finished, Home, eventually};
use crate::messages::PATIENCE;

const TELEMETRY: &str = "device/device-4711/telemetry";
const PRESS: &str = "panic/panic-0001/press";
/// An expression that expects something else than what devices send.
const BROKEN: &str = "routes: [{name: telemetry, qos: 1, value: '{level: .battery}'}]";
/// The payload as it is, and a position for presses without one.
const MENDED: &str = "routes: [{name: press, value: '{latitude: 1, longitude: 2}'}]";

pub fn none_is_said(home: &Home) {
    let none = home.run(&["bridge", "dlq", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("There are no dead letters in dlq.failed-messages of"), "{none:?}");
    assert_eq!(home.json(&["bridge", "dlq", "list"]), Value::Array(Vec::new()));
}

/// With bridges up, which are given routes of their own by this.
pub fn a_poisoned_message_is_found_and_replayed(home: &Home) {
    let routes = home.path().join("letters.yaml");
    std::fs::write(&routes, BROKEN).unwrap();
    let up = up(home, &["--bridge", "--bridge-routes", "letters.yaml"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    home.ok(&["pub", TELEMETRY, "nonsense", "--qos", "1"]);
    home.ok(&["pub", PRESS, r#"{"type":"MEDICAL"}"#, "--qos", "2"]);

    let poisoned = it_is_listed(home);
    let id = poisoned["id"].as_str().unwrap();
    it_is_shown(home, id);
    let plan = replay(home, &[id, "--dry-run"]);
    assert_eq!(plan.code, Some(1), "by the routes that the bridges have, it is still poison: {plan:?}");
    assert_eq!(fate(&plan), "unmapped");

    std::fs::write(&routes, MENDED).unwrap();
    it_is_replayed_once(home, &poisoned);
    one_whose_topic_is_gone_stops_no_other(home, id);
    a_press_keeps_its_emergency(home);
}

fn list(home: &Home, more: &[&str]) -> Vec<Value> {
    let rows = home.json(&[&["bridge", "dlq", "list"], more].concat());
    rows.as_array().unwrap().clone()
}

fn replay(home: &Home, more: &[&str]) -> Finished {
    home.run(&[&["bridge", "dlq", "replay", "--output", "json", "--jq-timeout", "5s"], more].concat())
}

fn result(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// Of the only letter that was chosen.
fn fate(finished: &Finished) -> String {
    let result = result(finished);
    assert_eq!(result["letters"].as_array().unwrap().len(), 1, "{result}");
    result["letters"][0]["fate"].as_str().unwrap().to_owned()
}

fn it_is_listed(home: &Home) -> Value {
    let of_device = || list(home, &["--device", "device-4711"]);
    eventually("the poisoned message is a dead letter", PATIENCE, || !of_device().is_empty());
    let rows = of_device();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(row["reason"].as_str().unwrap().starts_with("jq: "), "{row}");
    let told = (&row["topic"], &row["key"], &row["bytes"], &row["attempts"], &row["cut"]);
    assert_eq!(told, (&TELEMETRY.into(), &"device-4711".into(), &8.into(), &0.into(), &false.into()));

    let all = || list(home, &[]);
    eventually("the press has left a copy", PATIENCE, || all().iter().any(|row| row["topic"] == PRESS));
    let times: Vec<String> = all().iter().map(|row| row["time"].as_str().unwrap().to_owned()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(list(home, &["-n", "1"]), all()[times.len() - 1..]);
    assert_eq!(
        list(home, &["--reason", "JQ", "--topic", "device/+/telemetry", "--from", "1h", "--device", "device-4711"]),
        rows
    );
    for none in [&["--reason", "no such reason"][..], &["--topic", "device/+/alert"], &["--until", "1h"]] {
        assert_eq!(list(home, none), Vec::<Value>::new(), "{none:?}");
    }
    let text = home.ok(&["bridge", "dlq", "list"]);
    assert!(
        text.lines().any(|line| line.contains(TELEMETRY) && line.contains("8 B") && line.contains("jq: ")),
        "{text}"
    );
    row.clone()
}

fn it_is_shown(home: &Home, id: &str) {
    let shown = home.json(&["bridge", "dlq", "show", id]);
    let message = &shown["message"];
    assert_eq!((&message["value"], &message["encoding"]), (&"nonsense".into(), &"text".into()), "{shown}");
    assert_eq!((&shown["route"], &shown["cut"]), (&"telemetry".into(), &false.into()), "{shown}");
    assert_eq!(header(message, "mqtt.qos").as_deref(), Some("1"));
    let text = home.ok(&["bridge", "dlq", "show", id]);
    assert!(text.contains("received-at") && text.ends_with("\nnonsense\n"), "{text}");
    assert_eq!(home.ok(&["bridge", "dlq", "show", id, "--raw"]), "nonsense");
    let partition = id.split(':').next().unwrap();
    for (none, words) in [(format!("{partition}:999999"), "yet: partition"), ("9:0".to_owned(), "has no partition 9")] {
        let failed = home.run(&["bridge", "dlq", "show", &none]);
        assert!(failed.code == Some(1) && failed.stderr.contains(words), "{failed:?}");
    }
}

/// Records that were replayed from this letter.
fn replayed(home: &Home, topic: &str, id: &str) -> Vec<Value> {
    let all = records(home, topic).into_iter();
    all.filter(|record| header(record, "replayed-from").as_deref() == Some(id)).collect()
}

fn it_is_replayed_once(home: &Home, poisoned: &Value) {
    let id = poisoned["id"].as_str().unwrap();
    let plan = replay(home, &[id, "--dry-run"]);
    assert_eq!((plan.code, fate(&plan).as_str()), (Some(0), "planned"), "{plan:?}");
    assert_eq!(result(&plan)["letters"][0]["to"], "device.telemetry");
    let unasked = replay(home, &["--device", "device-4711"]);
    assert!(unasked.code == Some(2) && unasked.stderr.contains("nothing was sent"), "{unasked:?}");
    assert_eq!(replayed(home, "device.telemetry", id), Vec::<Value>::new());

    let sent = replay(home, &["--device", "device-4711", "--yes"]);
    assert_eq!((sent.code, fate(&sent).as_str()), (Some(0), "sent"), "{sent:?}");
    assert_eq!((&result(&sent)["sent"], &result(&sent)["done"]), (&1.into(), &true.into()));
    let records = replayed(home, "device.telemetry", id);
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&record["value"], &record["key"]), (&"nonsense".into(), &"device-4711".into()));
    assert_eq!(header(record, "event-id").as_deref(), poisoned["event_id"].as_str());
    assert_eq!(header(record, "replay-attempts").as_deref(), Some("1"));
    assert!(record["time"].as_str() > poisoned["time"].as_str(), "as of now: {record} {poisoned}");

    let again = replay(home, &[id, "--yes"]);
    assert_eq!((again.code, fate(&again).as_str()), (Some(1), "refused"), "{again:?}");
    assert!(again.stderr.contains("it was replayed before"), "{again:?}");
    assert_eq!(replayed(home, "device.telemetry", id).len(), 1);
    assert_eq!(list(home, &["--device", "device-4711"]).len(), 1, "no letter comes of it");
}

/// As a service may have put it there.
fn one_whose_topic_is_gone_stops_no_other(home: &Home, replayed: &str) {
    let headers = [
        "mqtt.topic=device/d/alert",
        "event-id=1881bdbc-d8ac-89a3-a8d8-41e51fe697eb",
        "topic=no.such.topic",
        "reason=it is gone",
    ];
    let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
    home.ok(&[&["pub", "dlq.failed-messages", "x", "--key", "d"], &headers[..]].concat());
    let plan = result(&replay(home, &["--dry-run"]));
    let reason = |wanted: &dyn Fn(&Value) -> bool| {
        let letter = plan["letters"].as_array().unwrap().iter().find(|letter| wanted(letter));
        letter.unwrap_or_else(|| panic!("{plan}"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason(&|letter| letter["topic"] == "device/d/alert"), "there is no topic no.such.topic");
    assert!(reason(&|letter| letter["id"] == replayed).contains("replayed before"));
}

fn a_press_keeps_its_emergency(home: &Home) {
    let press = list(home, &["--topic", PRESS, "-n", "1"]).remove(0);
    assert_eq!(press["reason"], "it has no position");
    let (id, event) = (press["id"].as_str().unwrap(), press["event_id"].as_str());
    let of_press = |record: &Value| header(record, "event-id").as_deref() == event;
    let first = arrive(home, "emergency.created", 1, of_press).remove(0);
    assert_eq!(first["value"]["type"], "MEDICAL");
    let built_in = home.path().join("none.yaml");
    std::fs::write(&built_in, "routes: []").unwrap();
    let still = replay(home, &[id, "--yes", "--routes", "none.yaml"]);
    assert_eq!((still.code, fate(&still).as_str()), (Some(1), "unmapped"), "nothing more is known of it: {still:?}");

    // Elsewhere, somebody may act on it.
    let elsewhere = ["--routes", "letters.yaml", "--bootstrap", &home.environment()["KAFKA_BROKERS"]];
    let refused = replay(home, &[&[id, "--yes"], &elsewhere[..]].concat());
    assert!(
        refused.code == Some(2) && refused.stderr.contains("1 of these dead letters becomes an emergency"),
        "{refused:?}"
    );
    assert_eq!(records(home, "emergency.created").iter().filter(|record| of_press(record)).count(), 1);
    let sent = replay(home, &[&[id, "--yes", "--real-emergencies"], &elsewhere[..]].concat());
    assert_eq!((sent.code, fate(&sent).as_str()), (Some(0), "sent"), "{sent:?}");
    assert_eq!(result(&sent)["letters"][0]["emergency"], true);
    let both = arrive(home, "emergency.created", 2, of_press);
    let second = both.iter().find(|record| header(record, "replayed-from").as_deref() == Some(id)).unwrap();
    assert_eq!((&second["key"], &second["value"]["emergencyId"]), (&first["key"], &first["value"]["emergencyId"]));
    assert_eq!((&second["value"]["latitude"], &second["value"]["type"]), (&1.into(), &"MEDICAL".into()));
}
