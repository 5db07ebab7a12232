//! What the stack becomes for each runtime: configuration files and workloads, whole, as snapshots.
//!
//! They are pure functions of the stack, so every setting that a snapshot shows was chosen; the tests of the real
//! stack boot the same text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::path::Path;

use sosstack::endpoints::{Address, Endpoints};
use sosstack::secrets::{Accounts, ClusterSecrets, Secret, ServerCertificate};
use sosstack::stack::load::{Overrides, load};
use sosstack::stack::{Service, Stack};
use sosstack::target::{Layout, Target};
use sosstack::verify::{self, DeviceLogin};
use sosstack::workload::Workload;
use sosstack::workload::build::{Secrets, workloads};
use sosstack::{kafka, mqtt};

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
    let accounts = serde_json::json!({ "service": account, "bridge": account, "probe": account, "devices": devices });
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
        mosquitto_version: "2.0.22".to_owned(),
        sqlite_plugin: None,
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

fn lines_of(text: &str, target: &Target, service: Service) -> Vec<String> {
    shown(&workload(&stack(text), target, service)).lines().map(str::to_owned).collect()
}

#[test]
fn sqlite_is_there_from_2_1_on() {
    let mosquitto = |text: &str, target: &Target| lines_of(text, target, Service::mosquitto());
    let sqlite = |plugin: &str| {
        let plugin = format!("global_plugin {plugin}");
        [plugin.as_str(), "plugin_opt_flush_period 0", "plugin_opt_sync full"].map(str::to_owned)
    };
    let has = |lines: &[String], wanted: &[String]| wanted.iter().all(|line| lines.contains(line));
    let image = sqlite("/usr/lib/mosquitto_persist_sqlite.so");
    let newer = mosquitto("mosquitto: {version: 2.1.2}", &Target::Docker);
    assert!(has(&newer, &image) && has(&newer, &["persistence_location /mosquitto/data".to_owned()]), "{newer:?}");
    assert!(!newer.iter().any(|line| line == "persistence true" || line.starts_with("autosave")), "{newer:?}");
    let own = mosquitto("mosquitto: {version: 2.1.2, sqlite_plugin: /opt/p.so}", &Target::Docker);
    assert!(has(&own, &sqlite("/opt/p.so")));
    for text in ["", "mosquitto: {version: 2.1.2, persistence: file}"] {
        assert!(has(&mosquitto(text, &Target::Docker), &["persistence true".to_owned()]), "{text}");
    }
    // As a process it is the program's version that counts.
    let Target::Process(layout) = processes() else { unreachable!() };
    let plugin = Some("/usr/lib/x86_64-linux-gnu/mosquitto/mosquitto_persist_sqlite.so".into());
    let newer = Target::Process(Layout { mosquitto_version: "2.1.2".to_owned(), sqlite_plugin: plugin, ..layout });
    let found = sqlite("/usr/lib/x86_64-linux-gnu/mosquitto/mosquitto_persist_sqlite.so");
    assert!(has(&mosquitto("", &newer), &found));
    assert!(has(&mosquitto("mosquitto: {version: 2.1.2}", &processes()), &["persistence true".to_owned()]));
}

#[test]
fn keep_alive_and_compression_are_settings() {
    let keepalive = |text: &str| {
        let lines = lines_of(text, &Target::Docker, Service::mosquitto());
        lines.into_iter().find(|line| line.starts_with("max_keepalive"))
    };
    assert_eq!(keepalive("mosquitto: {max_keepalive: 1200}").as_deref(), Some("max_keepalive 1210"));
    assert_eq!(keepalive("mosquitto: {max_keepalive: 65530}").as_deref(), Some("max_keepalive 65535"));
    assert_eq!(keepalive("mosquitto: {max_keepalive: 0}"), None);
    let producer = lines_of("kafka: {compression: producer}", &Target::Kubernetes, Service::kafka(0));
    assert!(producer.contains(&"compression.type=producer".to_owned()), "{producer:?}");
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

/// Whatever ends up in a log by `{:?}`.
#[test]
fn what_holds_a_secret_does_not_print_it() {
    let (stack, address) = (stack(""), |port| Address { host: "127.0.0.1".to_owned(), port });
    let secrets = secrets(&stack);
    let (accounts, password) = (&secrets.accounts, Secret::new(PASSWORD));
    let endpoints = Endpoints {
        about: stack.name.about(),
        kafka: Vec::new(),
        zookeeper: Vec::new(),
        mqtt: address(1883),
        mqtts: address(8883),
        mqtt_ws: address(9001),
        username: "sos_service".to_owned(),
        password: accounts.service.password.clone(),
        ca_file: "ca.pem".into(),
    };
    let login = kafka::access::Login {
        username: "backend".to_owned(),
        password: password.clone(),
        password_from: "a file".to_owned(),
        mechanism: kafka::access::Mechanism::Plain,
    };
    let kafka = kafka::access::Access { login: Some(login), ..kafka::access::Access::of_stack(&endpoints) };
    let device = DeviceLogin { id: "device-12345".to_owned(), password: password.clone() };
    let checks = verify::checks::plan(&stack, &[], Some(&device));
    assert!(checks.iter().any(|check| check.stdin.reveal().contains(PASSWORD)), "a device's login is tried");
    let peer: ClusterSecrets = serde_json::from_value(serde_json::json!({ "peer_password": PASSWORD })).unwrap();
    let all = [
        format!("{secrets:?}"),
        format!("{:?}", workloads(&stack, &processes(), &secrets)),
        format!("{endpoints:?} {:?} {kafka:?}", mqtt::access::Access::service(&endpoints)),
        format!("{device:?} {checks:?} {peer:?} {password:?}"),
    ];
    for text in all {
        assert!(!text.contains(PASSWORD) && !text.contains("KEY"), "{text}");
        assert!(!text.contains(&accounts.service.hash()), "{text}");
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
