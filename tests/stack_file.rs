//! Stack files: what they make, and every message about what is wrong with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use sosstack::failure::Failure;
use sosstack::stack::Stack;
use sosstack::stack::load::{Loaded, Overrides, find_file, json_schema, load, to_yaml};

fn load_text(text: &str) -> anyhow::Result<Loaded> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sosstack.yaml");
    std::fs::write(&file, text).unwrap();
    load(Some(&file), &Overrides::default())
}

fn stack(text: &str) -> Stack {
    load_text(text).unwrap_or_else(|error| panic!("{text}\n{error:#}")).stack
}

/// The problems, with the file's directory taken off.
fn problems(text: &str) -> Vec<String> {
    let error = load_text(text).expect_err(text);
    match error.downcast_ref::<Failure>() {
        Some(Failure::InvalidStackFile { problems }) => {
            let short = |line: &String| line[line.find("sosstack.yaml").unwrap_or(0)..].to_owned();
            problems.iter().map(short).collect()
        }
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn the_built_in_stack_is_the_system_in_numbers() {
    let stack = load(None, &Overrides::default()).unwrap().stack;
    let partitions: u16 = stack.topics.iter().map(|topic| topic.partitions).sum();
    assert_eq!((stack.topics.len(), partitions, partitions * stack.kafka.replication_factor()), (13, 45, 135));
    assert_eq!((stack.zookeeper.nodes, stack.kafka.brokers, stack.kafka.min_insync_replicas()), (3, 3, 2));
    let ids: Vec<&str> = stack.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["device-12345", "esp32-001", "wearable-0001", "panic-0001"]);
    assert_eq!(stack.kafka.image, "apache/kafka:3.9.2");
}

/// By the tags of the official repository.
#[test]
fn an_image_follows_from_the_version() {
    let image = |version: &str| stack(&format!("mosquitto: {{version: {version}}}")).mosquitto.image;
    assert_eq!(image("2.0.22"), "eclipse-mosquitto:2.0.22");
    assert_eq!(image("2.1.2"), "eclipse-mosquitto:2.1.2-alpine");
}

#[test]
fn a_file_changes_what_it_names_and_keeps_the_rest() {
    let stack = stack(
        "name: demo
kafka: {heap: 1G, version: 3.9.1, config: {num.io.threads: 4}}
topics:
  - {name: emergency.created, partitions: 12}
  - {name: orders.new, config: {retention.ms: 60000, cleanup.policy: compact}}
devices:
  - {id: esp32-001, owner: user-7}
  - {id: new-1}
",
    );
    assert_eq!(stack.name.as_str(), "demo");
    assert_eq!((stack.kafka.heap.mebibytes, stack.kafka.image.as_str()), (1024, "apache/kafka:3.9.1"));
    assert_eq!(stack.kafka.config["num.io.threads"], "4");
    let topic = |name: &str| stack.topics.iter().find(|topic| topic.name == name).unwrap();
    assert_eq!((stack.topics.len(), topic("emergency.created").partitions), (14, 12));
    assert_eq!(topic("emergency.created").description, "new emergencies");
    assert_eq!((topic("orders.new").partitions, topic("orders.new").config["retention.ms"].as_str()), (3, "60000"));
    let owner = |id: &str| stack.devices.iter().find(|device| device.id == id).unwrap().owner.clone();
    assert_eq!((owner("esp32-001"), owner("new-1"), stack.devices.len()), (Some("user-7".to_owned()), None, 5));
}

#[test]
fn a_file_may_begin_from_nothing_or_be_empty() {
    let bare = stack("extends: nothing\ntopics: [{name: only.one}]\n");
    assert_eq!((bare.topics.len(), bare.devices.len(), bare.kafka.brokers), (1, 0, 3));
    for empty in ["", "# only a comment\n", "---\n", "kafka:\ntopics:\n"] {
        assert_eq!(stack(empty).topics.len(), 13, "{empty:?}");
    }
}

#[test]
fn anchors_and_merge_keys_work() {
    let stack = stack("x: &x {heap: 96M}\n".replace("x: &x", "zookeeper: &x").as_str());
    assert_eq!(stack.zookeeper.heap.mebibytes, 96);
    let merged = self::stack("zookeeper: &z\n  heap: 96M\nkafka:\n  <<: *z\n  brokers: 1\n");
    assert_eq!((merged.kafka.heap.mebibytes, merged.kafka.brokers), (96, 1));
}

#[test]
fn flags_come_after_the_file() {
    let overrides = Overrides { name: Some("other".parse().unwrap()), port_offset: Some(100), ..Overrides::default() };
    let stack = load(None, &overrides).unwrap().stack;
    assert_eq!((stack.name.as_str(), stack.ports.kafka(0), stack.ports.mqtt()), ("other", 9192, 1983));
    let far = Overrides { port_offset: Some(60_000), ..Overrides::default() };
    let error = load(None, &far).unwrap_err().to_string();
    assert!(error.contains("--port-offset: ") && error.contains("ports end at 65535"), "{error}");
}

#[test]
fn the_effective_stack_is_a_file_that_makes_the_same_stack() {
    for text in [
        "",
        "name: demo\nkafka: {brokers: 1, config: {a.b: true}}\ntopics: [{name: x, config: {retention.ms: 1}}]",
        "topics: [{name: x, description: costs $$5}]",
        "kafka: {compression: producer}\nmosquitto: {version: 2.1.2, persistence: file, sqlite_plugin: /p.so, max_keepalive: 0}",
    ] {
        let first = stack(text);
        let yaml = to_yaml(&first);
        assert_eq!(stack(&yaml), first, "{yaml}");
    }
}

#[test]
fn the_schema_knows_every_field_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for field in ["name", "extends", "runtime", "ports", "zookeeper", "kafka", "mosquitto", "topics", "devices"] {
        assert!(schema["properties"].get(field).is_some(), "{field}");
    }
    assert!(schema["properties"]["topics"]["description"].as_str().unwrap().contains("Kafka topics"));
}

#[test]
fn a_file_is_found_in_a_directory_above() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(dir.path().join("sosstack.yaml"), "").unwrap();
    assert_eq!(find_file(&inner), Some(dir.path().join("sosstack.yaml")));
    std::fs::write(inner.join("sosstack.yml"), "").unwrap();
    assert_eq!(find_file(&inner), Some(inner.join("sosstack.yml")));
}

#[test]
fn a_file_that_cannot_be_read_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    let words = |path: &Path| load(Some(path), &Overrides::default()).unwrap_err().to_string();
    assert!(words(&dir.path().join("none.yaml")).ends_with("none.yaml: there is no such file"));
    assert!(words(dir.path()).ends_with("is a directory"));
    std::fs::write(dir.path().join("latin1.yaml"), b"name: \xe9\n").unwrap();
    assert!(words(&dir.path().join("latin1.yaml")).ends_with("is not UTF-8"));
}

/// All problems of one file, in its order, each with its place.
#[test]
fn every_problem_is_named_at_once() {
    let text = "\
nmae: demo
kafka:
  heap: 12X
  brokers: 2
  config:
    broker.id: 7
topics:
  - name: emergency created
    partitons: 3
  - name: ok.topic
    partitions: many
    config: {retention.msec: 5}
devices:
  - id: sos_service
  - {id: a/b, owner: 'x y'}
ports: {kafka: 2182}
";
    insta::assert_snapshot!(problems(text).join("\n"));
}

#[test]
fn each_problem_has_its_words() {
    let files = [
        "kafka: {brokers: 2}",
        "zookeeper: {nodes: 4}",
        "zookeeper: {nodes: 0}",
        "kafka: {brokers: -1}",
        "kafka: {brokers: 70000}",
        "kafka: {brokers: three}",
        "kafka: {heap: 64}",
        "kafka: {heap: 16M}",
        "kafka: {heap: 64G}",
        "kafka: {version: 4.1.0}",
        "kafka: {version: 2.8.2}",
        "kafka: {version: latest}",
        "kafka: {version: 3.9}",
        "zookeeper: {version: 4.0.0}",
        "mosquitto: {version: 1.6.9}",
        "kafka: {image: ''}",
        "kafka: {image: 'my kafka'}",
        "kafka: 3",
        "kafka: [1]",
        "name: Sos",
        "name: -x",
        "name: 7",
        "namespace: Sos_App",
        "domain: cluster..local",
        "runtime: podman",
        "extends: everything",
        "topics: emergency.created",
        "topics: [emergency.created]",
        "topics: [{partitions: 3}]",
        "topics: [{name: ''}]",
        "topics: [{name: ..}]",
        "topics: [{name: __internal}]",
        "topics: [{name: a.b}, {name: a.b}]",
        "topics: [{name: a.b}, {name: a_b}]",
        "topics: [{name: a.b, partitions: 0}]",
        "topics: [{name: a.b, partitions: 1001}]",
        "topics: [{name: a.b, replicas: 2}]",
        "topics: [{name: a.b, config: {replication.factor: 1}}]",
        "topics: [{name: a.b, config: {retention.mss: 1}}]",
        "topics: [{name: a.b, config: {min.insync.replicas: 4}}]",
        "topics: [{name: a.b, config: {retention.ms: [1]}}]",
        "topics: [{name: a.b, config: {cleanup.policy: compact delete}}]",
        "devices: [{owner: x}]",
        "devices: [{id: ''}]",
        "devices: [{id: 'a b'}]",
        "devices: [{id: a+b}]",
        "devices: [{id: $$SYS}]",
        "devices: [{id: $NOT_SET_HERE}]",
        "devices: [{id: x}, {id: x}]",
        "devices: [{id: x, owner: 'a#'}]",
        "devices: [{id: x, ownr: a}]",
        "ports: {kafka: 0}",
        "ports: {kafka: 65535}",
        "ports: {offset: 60000}",
        "ports: {offset: 65535}",
        "ports: {kafka: 1883}",
        "ports: {mqtt: 2183}",
        "mosquitto: {max_connections: 0}",
        "mosquitto: {max_queued_messages: 0}",
        "mosquitto: {max_inflight_messages: 70000}",
        "mosquitto: {max_keepalive: 5}",
        "mosquitto: {max_keepalive: 70000}",
        "mosquitto: {persistence: sqlite}",
        "mosquitto: {version: 2.0.21, persistence: sqlite}",
        "mosquitto: {persistence: sqlight}",
        "mosquitto: {sqlite_plugin: lib/plugin.so}",
        "kafka: {compression: brotli}",
        "kafka: {config: {listeners: x}}",
        "kafka: {heap: 1G}\nkafka: {heap: 2G}",
        "a: 1\n---\nb: 2",
        "- a list",
        "just text",
        "kafka: {heap: 1G",
        "kafka:\n\theap: 1G",
        "kafka: *nowhere",
        "zookeper: {nodes: 3}",
    ];
    let told: Vec<String> = files.iter().map(|file| format!("{file}\n  {}", problems(file).join("\n  "))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Whatever is done to a file, reading it ends with a stack or with problems.
#[test]
fn no_file_makes_the_reader_panic() {
    let valid = to_yaml(&load(None, &Overrides::default()).unwrap().stack);
    let bytes: Vec<char> = valid.chars().collect();
    let mut seed: u64 = 42;
    let mut random = |below: usize| {
        // Knuth's MMIX generator: the same files in every run.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let alphabet: Vec<char> = "{}[]:,-&*!|>'\"#%@` \n\tabc019é\u{0}".chars().collect();
    for _ in 0..300 {
        let mut mutated = bytes.clone();
        for _ in 0..=random(4) {
            let at = random(mutated.len());
            match random(3) {
                0 => drop(mutated.remove(at)),
                1 => mutated.insert(at, alphabet[random(alphabet.len())]),
                _ => mutated[at] = alphabet[random(alphabet.len())],
            }
        }
        let text: String = mutated.into_iter().collect();
        if let Err(error) = load_text(&text) {
            assert!(error.downcast_ref::<Failure>().is_some(), "{error:#}");
        }
    }
}
