use std::path::Path;

use super::*;
use crate::config::mosquitto::bridge_acl;
use crate::failure::Failure;
use crate::mqtt::filters::overlap;
use crate::stack::Stack;
use crate::stack::device::BRIDGE_USER;
use crate::stack::leaf::{EMERGENCY_STATUS, LEAVES, Under};
use crate::stack::load::{Overrides, load_text};

fn stack() -> Stack {
    load_text("", None, &Overrides::default()).unwrap().stack
}

fn routes(text: &str) -> Routes {
    Routes::load_text(text, None, &stack()).unwrap_or_else(|error| panic!("{text}\n{error:#}"))
}

fn problems(text: &str) -> Vec<String> {
    let error = Routes::load_text(text, Some(Path::new("routes.yaml")), &stack()).expect_err(text);
    match error.downcast_ref::<Failure>() {
        Some(Failure::InvalidRoutes { problems }) => problems.clone(),
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn the_built_in_routes_are_the_systems() {
    let routes = routes("");
    let route = |route: &Route| {
        format!(
            "{} qos {} → {} {} {:?}",
            route.filter.mqtt(),
            route.qos,
            route.topic,
            route.lane.as_str(),
            route.emergency
        )
    };
    let told: Vec<String> = routes.all().iter().map(route).collect();
    assert_eq!(
        told,
        [
            "panic/+/press qos 2 → emergency.created emergencies true",
            "emergency/+/trigger qos 2 → emergency.created emergencies true",
            "device/+/alert qos 2 → device.alerts alerts false",
            "wearable/+/fall qos 2 → device.alerts alerts false",
            "device/+/telemetry qos 0 → device.telemetry rest false",
            "device/+/location qos 0 → location.realtime rest false",
            "device/+/status qos 1 → device.telemetry rest false",
            "wearable/+/heartrate qos 0 → device.telemetry rest false",
            "wearable/+/activity qos 0 → device.telemetry rest false",
            "panic/+/battery qos 0 → device.telemetry rest false",
            "geofence/+/+ qos 1 → location.geofence rest false",
        ]
    );
    assert_eq!(routes.subscriptions().len(), 11);
    let retained: Vec<String> =
        routes.subscriptions().into_iter().filter(|one| one.retained).map(|one| one.filter).collect();
    assert_eq!(retained, ["device/+/status"]);
    let topics: Vec<String> = routes.topics().iter().map(ToString::to_string).collect();
    let expected = [
        "emergency.created",
        "device.alerts",
        "device.telemetry",
        "location.realtime",
        "location.geofence",
        "dlq.failed-messages",
    ];
    assert_eq!(topics, expected);
}

#[test]
fn a_file_changes_routes_by_name_and_adds_its_own_before_them() {
    let routes = routes(
        "routes:
  - {name: fall, lane: rest, qos: 1}
  - {name: late, filter: 'device/special/{leaf}', topic: audit.access, key: '{leaf}', enabled: false}
  - {name: special, filter: device/special/alert, topic: audit.access, key: special}
  - {name: activity, enabled: false}
",
    );
    let find = |topic: &str| routes.find(topic).map(|(_, route, _)| route.name.to_string());
    assert_eq!(find("device/special/alert").as_deref(), Some("special"), "the first that fits wins");
    assert_eq!(find("device/d/alert").as_deref(), Some("alert"));
    assert_eq!(find("wearable/d/activity"), None);
    let fall = routes.all().iter().find(|route| &*route.name == "fall").unwrap();
    assert_eq!(
        (fall.lane, fall.qos, fall.filter.mqtt(), &*fall.topic),
        (Lane::Rest, 1, "wearable/+/fall", "device.alerts")
    );
    let names: Vec<&str> = routes.all().iter().map(|route| &*route.name).collect();
    assert_eq!(names[..3], ["special", "press", "trigger"]);
}

/// The lookup by first levels gives what asking each route in turn gives.
#[test]
fn the_first_route_that_fits_is_found_whatever_its_first_level() {
    let routes = routes(
        "routes:
  - {name: a, filter: '{kind}/d/fall', topic: device.alerts, key: '{kind}'}
  - {name: b, filter: 'wearable/e/{leaf}', topic: device.alerts, key: '{leaf}'}
  - {name: c, filter: '+/{device}/heartrate', topic: device.alerts}
  - {name: heartrate, enabled: false}
",
    );
    let words = ["device", "wearable", "panic", "geofence", "d", "e", "fall", "press", "heartrate", "exit", "", "$SYS"];
    for first in words {
        for second in words {
            for third in words {
                for topic in [format!("{first}/{second}/{third}"), format!("{first}/{second}"), first.to_owned()] {
                    let plain = routes.all().iter().position(|route| route.filter.fit(&topic).is_some());
                    assert_eq!(routes.find(&topic).map(|(number, ..)| number), plain, "{topic}");
                }
            }
        }
    }
}

/// All problems of one file, in its order, each with its place.
#[test]
fn every_problem_is_named_at_once() {
    let text = "\
dead_leters: x
routes:
  - name: press
    qos: 3
    retained: true
  - name: mine
    filter: device/{device}/alrt
    topic: device.alert
    lane: slow
    key: '{devise}'
    value: '{a: .b, c: $ownr}'
    headers: {event-id: x, ok: '{device}'}
  - name: alert
    filter: device/+/alert
";
    let expected = "\
routes.yaml:1:1: dead_leters: unknown field; did you mean \"dead_letters\"?
routes.yaml:4:5: routes[0].qos: there is no QoS 3; use 0, 1 or 2
routes.yaml:5:5: routes[0].retained: a retained copy must not open an emergency: the press may be long past
routes.yaml:7:5: routes[1].filter: no device may write to any topic that matches device/{device}/alrt; did you mean device/{device}/alert?
routes.yaml:8:5: routes[1].topic: the stack has no topic \"device.alert\"; did you mean \"device.alerts\"?
routes.yaml:9:5: routes[1].lane: \"slow\" is not a valid value; write emergencies or alerts or rest
routes.yaml:10:5: routes[1].key: the filter has no {devise}; did you mean {device}?
routes.yaml:11:5: routes[1].value: there is no variable $ownr (jq, character 12)
routes.yaml:12:15: routes[1].headers.event-id: the bridge sets \"event-id\" itself; choose another name
routes.yaml:14:5: routes[2].filter: nothing in it can be the key: name a level {device} or {user}, or set the key";
    assert_eq!(problems(text).join("\n"), expected);
}

#[test]
fn each_problem_has_its_words() {
    let route = |fields: &str| format!("routes: [{{name: mine, {fields}}}]");
    let alert = "filter: 'device/{device}/alert', topic: device.alerts";
    for (text, expected) in [
        (route("topic: device.alerts"), "\"filter\" is missing; no built-in route is called \"mine\""),
        (route("filter: 'device/{device}/alert'"), "\"topic\" is missing"),
        (
            route("filter: 'device/{device', topic: device.alerts"),
            "is not a valid filter: a named part must be a whole level",
        ),
        (
            route("filter: 'device/{device}/+', topic: device.alerts"),
            "goes down to devices: replies from services would loop",
        ),
        (route("filter: '#', topic: device.alerts, key: x"), "replies from services would loop"),
        (
            route("filter: 'emergency/{user}/status', topic: emergency.updated"),
            "it takes emergency/+/status, which goes down",
        ),
        (
            route("filter: 'fridge/{device}/door', topic: device.alerts"),
            "no device may write to any topic that matches fridge/{device}/door; they write device/{device}/telemetry",
        ),
        (
            route("filter: 'device/{device}/location', topic: device/x/command"),
            "an MQTT topic; routes lead to Kafka, and a route back would loop",
        ),
        (route("filter: 'device/{device}/location', topic: 'mqtt:x'"), "a route back would loop"),
        (
            route("filter: 'device/{device}/location', topic: dlq.failed-messages"),
            "is for dead letters, which the bridge writes itself",
        ),
        (route("filter: 'device/{device}/location', topic: ''"), "the stack has no topic \"\""),
        (route(alert), "it takes all of the built-in route \"alert\"; change that route by its name, or disable it"),
        (route(&format!("{alert}, key: ''")), "it is empty, and would put every message into one partition"),
        (route(&format!("{alert}, key: '{{emergency}}'")), "{emergency} is for routes with emergency: true"),
        (route(&format!("{alert}, headers: {{mqtt.x: y}}")), "the bridge sets \"mqtt.x\" itself"),
        (route(&format!("{alert}, value: '.a |'")), "missing at the end (jq, character 5)"),
        (route(&format!("{alert}, value: 7")), "expected text, found 7"),
        (route(&format!("{alert}, qos: -1")), "a whole number from 0 to 255"),
        (route(&format!("{alert}, emergency: perhaps")), "expected true or false"),
        (route(&format!("{alert}, laen: rest")), "unknown field; did you mean \"lane\"?"),
        (
            route("filter: 'panic/{device}/press', topic: device.alerts"),
            "panic/+/press must become an emergency, whatever it contains: set emergency: true",
        ),
        (route("filter: 'panic/d-1/press', topic: device.alerts, key: x"), "panic/+/press must become an emergency"),
        (
            route("filter: 'panic/+/battery', topic: device.alerts, emergency: true"),
            "an emergency needs a device or a user: name a level {device} or {user}",
        ),
        ("routes: [{name: press, emergency: false}]".to_owned(), "panic/+/press must become an emergency"),
        (
            "routes: [{name: press, enabled: false}]".to_owned(),
            "routes[0].enabled: no route takes all of panic/+/press",
        ),
        (
            "routes: [{name: press, filter: 'panic/{device}/battery'}]".to_owned(),
            "routes[0].filter: no route takes all of panic/+/press",
        ),
        (
            "routes: [{name: a b, filter: 'device/x/alert', topic: device.alerts, key: x}]".to_owned(),
            "\"a b\" is not a valid name",
        ),
        ("routes: [{name: alert}, {name: alert}]".to_owned(), "alert appears twice: also routes[0]"),
        ("routes: [{filter: x}]".to_owned(), "\"name\" is missing"),
        ("dead_letters: nowhere".to_owned(), "dead_letters: the stack has no topic \"nowhere\""),
        ("routes: []\nroutes: []".to_owned(), "routes appears twice"),
        ("- a".to_owned(), "expected names with values, such as \"routes:\""),
        ("routes: [".to_owned(), "not YAML"),
        ("a: 1\n---\nb: 1".to_owned(), "several YAML documents; a routes file is one"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|line| line.contains(expected)), "{text}\n{}\nexpected: {expected}", found.join("\n"));
        assert!(found.iter().all(|line| line.starts_with("routes.yaml:")), "{text}: {found:?}");
    }
}

#[test]
fn what_is_left_alone_is_no_problem() {
    for fine in [
        "",
        "# nothing\n",
        "routes:\n",
        "routes: [{name: alert, topic: audit.access}]",
        "routes: [{name: press, value: '{type: .kind}', headers: {source: button}}]",
        "routes: [{name: vip, filter: 'panic/vip/press', topic: emergency.updated, key: vip, emergency: true, enabled: false}]",
        "routes: [{name: first, filter: 'panic/{device}/press', topic: emergency.created, emergency: true}, {name: press, enabled: false}]",
    ] {
        assert!(routes(fine).all().len() >= 10, "{fine}");
    }
}

#[test]
fn the_schema_knows_every_field_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(&Routes::json_schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let route = &schema["$defs"]["RouteSpec"]["properties"];
    for field in
        ["name", "filter", "topic", "key", "headers", "value", "qos", "lane", "emergency", "retained", "enabled"]
    {
        assert!(route.get(field).is_some(), "{field}: {schema:#}");
    }
}

/// The bridge's login is granted what devices write, and a route may ask for what devices write: each holds to the other.
#[test]
fn what_routes_may_ask_for_is_what_the_bridges_login_may_read() {
    let acl = bridge_acl();
    let granted: Vec<&str> = acl.lines().filter_map(|line| line.strip_prefix("topic read ")).collect();
    // What it writes goes down to people, so that no route takes it up again.
    let written: Vec<&str> = acl.lines().filter(|line| line.contains("write")).collect();
    assert_eq!(written, [format!("topic write {}", EMERGENCY_STATUS.filter())], "{acl}");
    for route in routes("").all() {
        assert!(granted.iter().any(|filter| overlap(filter, route.filter.mqtt())), "{}", route.filter.mqtt());
    }
    for leaf in LEAVES {
        let text = format!("routes: [{{name: own, filter: '{}', topic: audit.access}}]", leaf.shape);
        // Most take all of a built-in route, too, which is another problem.
        let found =
            Routes::load_text(&text, None, &stack()).err().map(|error| format!("{:?}", error.downcast::<Failure>()));
        let is_refused = found.is_some_and(|problems| problems.contains("goes down to devices"));
        assert_eq!(is_refused, !granted.contains(&leaf.filter().as_str()), "{}", leaf.shape);
        // As if it were a device: patterns hold for this user, too.
        let own = format!("topic deny {}", leaf.topic(BRIDGE_USER));
        assert_eq!(acl.lines().any(|line| line == own), leaf.under == Under::Device, "{own}");
    }
}
