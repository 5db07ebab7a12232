//! What the stack becomes for each runtime: configuration files and workloads, whole, as snapshots.
//!
//! They are pure functions of the stack, so every setting that a snapshot shows was chosen; the tests of the real
//! stack boot the same text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::path::Path;

use sosstack::secrets::{Accounts, ServerCertificate};
use sosstack::stack::load::{Overrides, load};
use sosstack::stack::{Service, Stack};
use sosstack::target::{Layout, Target};
use sosstack::workload::Workload;
use sosstack::workload::build::{Secrets, workloads};

const PASSWORD: &str = "not-a-secret";

fn stack(text: &str) -> Stack {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sosstack.yaml");
    std::fs::write(&file, text).unwrap();
    load(Some(&file), &Overrides::default()).unwrap().stack
}

/// Accounts and certificate as a stack's directory holds them, with one password for all.
fn secrets(stack: &Stack) -> Secrets {
    let dir = tempfile::tempdir().unwrap();
    let account = serde_json::json!({ "password": PASSWORD, "salt": "c2FsdHNhbHRzYWx0" });
    let device = |owner: &Option<String>| {
        let mut device = account.clone();
        device["owner"] = serde_json::json!(owner);
        device
    };
    let devices: serde_json::Map<_, _> = stack.devices.iter().map(|d| (d.id.clone(), device(&d.owner))).collect();
    let accounts = serde_json::json!({ "service": account, "probe": account, "devices": devices });
    std::fs::write(dir.path().join("accounts.json"), accounts.to_string()).unwrap();
    let certificate: ServerCertificate = serde_json::from_value(serde_json::json!({
        "certificate": "CERTIFICATE\n", "key": "KEY\n", "names": [], "expires": "2030-01-01T00:00:00Z",
    }))
    .unwrap();
    Secrets { accounts: Accounts::read(dir.path()).unwrap().unwrap(), certificate }
}

fn processes() -> Target {
    Target::Process(Layout {
        root: "/data/sos".into(),
        java: "/usr/bin/java".into(),
        class_path: "/cache/jars/*".to_owned(),
        mosquitto: "/usr/sbin/mosquitto".into(),
        user: "me".to_owned(),
    })
}

fn rendered(stack: &Stack, target: &Target) -> Vec<Workload> {
    workloads(stack, target, &secrets(stack))
}

fn workload(stack: &Stack, target: &Target, service: Service) -> Workload {
    rendered(stack, target).into_iter().find(|workload| workload.service == service).unwrap()
}

/// A workload as text: what is run, then each of its files whole.
fn shown(workload: &Workload) -> String {
    let mut without_contents = workload.clone();
    for file in &mut without_contents.files {
        file.contents.clear();
    }
    let mut text = serde_yaml::to_string(&without_contents).unwrap();
    for file in &workload.files {
        write!(text, "\n--- {}\n{}", file.path.display(), file.contents).unwrap();
    }
    text
}

#[test]
fn zookeeper_in_docker() {
    insta::assert_snapshot!(shown(&workload(&stack(""), &Target::Docker, Service::zookeeper(1))));
}

#[test]
fn zookeeper_as_a_process() {
    insta::assert_snapshot!(shown(&workload(&stack("ports: {offset: 100}"), &processes(), Service::zookeeper(1))));
}

#[test]
fn kafka_in_docker() {
    insta::assert_snapshot!(shown(&workload(&stack("ports: {offset: 100}"), &Target::Docker, Service::kafka(2))));
}

#[test]
fn kafka_as_a_process() {
    let stack = stack("kafka: {heap: 1G, config: {num.io.threads: 4, message.max.bytes: 2000000}}");
    insta::assert_snapshot!(shown(&workload(&stack, &processes(), Service::kafka(2))));
}

#[test]
fn mosquitto_in_docker() {
    insta::assert_snapshot!(shown(&workload(&stack(""), &Target::Docker, Service::mosquitto())));
}

#[test]
fn mosquitto_as_a_process() {
    let stack = stack("mosquitto: {max_connections: 50, max_queued_messages: 1000, max_inflight_messages: 1}");
    insta::assert_snapshot!(shown(&workload(&stack, &processes(), Service::mosquitto())));
}

#[test]
fn one_node_and_one_broker_need_no_others() {
    let stack = stack("zookeeper: {nodes: 1}\nkafka: {brokers: 1}");
    let all = rendered(&stack, &Target::Docker);
    assert_eq!(all.len(), 3);
    let text = |service| shown(all.iter().find(|workload| workload.service == service).unwrap());
    assert!(!text(Service::zookeeper(0)).contains("server.1="), "a lone node has no ensemble");
    for setting in ["default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1"] {
        assert!(text(Service::kafka(0)).lines().any(|line| line == setting), "{setting}");
    }
}

#[test]
fn secrets_are_in_files_for_their_owner_only() {
    for target in [Target::Docker, processes()] {
        for workload in rendered(&stack(""), &target) {
            assert!(!workload.command.iter().any(|word| word.contains(PASSWORD)));
            for file in &workload.files {
                assert!(!file.contents.contains(PASSWORD), "{} holds a password, not its hash", file.path.display());
                let private = ["passwd", "acl", "server.key"].iter().any(|name| file.path.ends_with(Path::new(name)));
                assert!(!private || file.secret, "{}", file.path.display());
            }
        }
    }
}

#[test]
fn devices_change_no_hash_that_asks_for_a_restart() {
    let (before, after) = (stack(""), stack("devices: [{id: new-1, owner: user-7}]"));
    let (old, new) = (rendered(&before, &Target::Docker), rendered(&after, &Target::Docker));
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old.config_hash(), new.config_hash(), "{}", new.service);
    }
    let mosquitto = |all: &[Workload]| all.last().unwrap().live_hash();
    assert_ne!(mosquitto(&old), mosquitto(&new));
}
