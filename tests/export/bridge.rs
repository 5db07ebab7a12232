//! The bridge's component: what it adds, what it patches, and what it needs of the rest.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;
use sosstack::export::bridge::Behaviour;
use sosstack::export::kubernetes::{Bridge, Settings, files, manifests, mqtt, text};
use sosstack::stack::load::{Overrides, load_text};

use crate::objects::{Objects, containers, stack};

fn wanted() -> Settings {
    Settings { bridge: Bridge { wanted: true, ..Bridge::default() }, ..Settings::default() }
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// As kustomize merges what is patched here: mappings by key, containers by name.
fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Mapping(base), Value::Mapping(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Sequence(base), Value::Sequence(patch)) => {
            for value in patch {
                merge(base.iter_mut().find(|found| found["name"] == value["name"]).unwrap(), value);
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

#[test]
fn the_component_makes_of_the_stack_what_one_stream_with_a_bridge_holds() {
    let files: BTreeMap<String, String> =
        files(&stack(""), &Settings::default()).into_iter().map(|file| (file.name, file.contents)).collect();
    let component = |name: &str| documents(&files[&format!("components/bridge/{name}")]);
    let kustomization = component("kustomization.yaml").remove(0);
    assert_eq!(kustomization["kind"], "Component");
    assert!(!files["kustomization.yaml"].contains("components"), "the stack alone is the default");

    let mut all = documents(&text(&manifests(&stack(""), &Settings::default())));
    for patch in kustomization["patches"].as_sequence().unwrap() {
        let patch = component(patch["path"].as_str().unwrap()).remove(0);
        let is_patched = |object: &&mut Value| {
            object["kind"] == patch["kind"]
                && ["name", "namespace"].iter().all(|key| object["metadata"][key] == patch["metadata"][key])
        };
        merge(all.iter_mut().find(is_patched).unwrap(), &patch);
    }
    for resource in kustomization["resources"].as_sequence().unwrap() {
        all.extend(component(resource.as_str().unwrap()));
    }
    assert_eq!(all, documents(&text(&manifests(&stack(""), &wanted()))));
}

#[test]
fn the_kustomization_applies_the_bridge_where_it_is_wanted() {
    let files = files(&stack(""), &wanted());
    let kustomization = files.iter().find(|file| file.name == "kustomization.yaml").unwrap();
    assert!(kustomization.contents.contains("\ncomponents:\n- components/bridge\n"), "{}", kustomization.contents);
    let statefulset = files.iter().find(|file| file.name == "mqtt-statefulset.yaml").unwrap();
    assert!(statefulset.contents.contains("memory: 512Mi"), "the patch raises it, not the stack");
}

#[test]
fn both_mosquittos_keep_100_000_messages_beside_a_bridge_and_more_where_the_stack_says_so() {
    let of = |file: &str, settings: &Settings| {
        let objects = Objects::of(&stack(file), settings);
        let maps = objects.config_maps();
        let map = maps.into_iter().find(|map| map.metadata.name.as_deref() == Some("mqtt-config")).unwrap();
        let conf = map.data.unwrap().remove("mosquitto.conf").unwrap();
        let queued = conf.lines().find_map(|line| line.strip_prefix("max_queued_messages ")).unwrap().to_owned();
        let template = objects.stateful_set("mqtt").spec.unwrap().template;
        let memory = containers(&template).into_iter().find(|container| container.name == "mqtt").unwrap();
        (queued, memory.resources.unwrap().limits.unwrap()["memory"].0.clone())
    };
    let pair = |queued: &str, memory: &str| (queued.to_owned(), memory.to_owned());
    assert_eq!(of("", &Settings::default()), pair("1000", "512Mi"));
    assert_eq!(of("", &wanted()), pair("100000", "1Gi"));
    assert_eq!(of("mosquitto: {max_queued_messages: 200000}", &wanted()), pair("200000", "1Gi"));
}

#[test]
fn it_is_one_pod_that_reads_from_the_first_mosquitto_and_knows_the_stacks_topics() {
    let file = "name: city\nnamespace: other\ndomain: example.org\ntopics: [{name: orders.new, partitions: 2}]";
    let settings = Settings {
        bridge: Bridge {
            wanted: true,
            storage: "5Gi".to_owned(),
            behaviour: Behaviour {
                routes: Some("routes: []\n".to_owned()),
                emergency_status: true,
                ..Behaviour::default()
            },
        },
        ..Settings::default()
    };
    let objects = Objects::of(&stack(file), &settings);
    let set = objects.stateful_set("bridge").spec.unwrap();
    assert_eq!(set.replicas, Some(1));
    let container = containers(&set.template).remove(0);
    let words = container.args.unwrap().join(" ");
    for expected in [
        "bridge run --file /etc/sosstack/sosstack.yaml --bootstrap kafka-0.kafka-headless.other.svc.example.org:9092,",
        " --mqtt mqtt://sos_bridge@mqtt-0.mqtt-headless.other.svc.example.org:1883 ",
        " --journal-max 4096M ",
        " --routes /etc/sosstack/routes.yaml --emergency-status",
    ] {
        assert!(words.contains(expected), "{words}");
    }
    let maps = objects.config_maps();
    let map = maps.into_iter().find(|map| map.metadata.name.as_deref() == Some("bridge-config")).unwrap();
    let data = map.data.unwrap();
    assert_eq!(data["routes.yaml"], "routes: []\n");
    let known = load_text(&data["sosstack.yaml"], None, &Overrides::default()).unwrap().stack;
    let names = |stack: &sosstack::stack::Stack| -> Vec<(String, u16)> {
        stack.topics.iter().map(|topic| (topic.name.clone(), topic.partitions)).collect()
    };
    assert_eq!((known.name.as_str(), names(&known)), ("city", names(&stack(file))));
    assert!(known.topics.iter().any(|topic| topic.name == "orders.new"));
}

/// Its image has no shell, and a Secret's file is its group's too: passwords come as variables.
#[test]
fn its_passwords_come_from_secrets_that_the_export_knows() {
    let objects = Objects::of(&stack(""), &wanted());
    let container = containers(&objects.stateful_set("bridge").spec.unwrap().template).remove(0);
    let secrets: Vec<(String, String, Option<bool>)> = container
        .env
        .unwrap()
        .into_iter()
        .map(|variable| (variable.name, variable.value_from.unwrap().secret_key_ref.unwrap()))
        .map(|(name, key)| (name, key.name, key.optional))
        .collect();
    let needed = |variable: &str, secret: &str| (variable.to_owned(), secret.to_owned(), None);
    assert_eq!(
        secrets,
        [needed("SOSSTACK_MQTT_PASSWORD", mqtt::BRIDGE), needed("SOSSTACK_PROBE_PASSWORD", mqtt::PROBE)]
    );
}
