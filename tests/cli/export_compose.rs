//! `export compose`: what is written, for which stack, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_yaml::Value;

use crate::machine::Machine;

fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

fn exported(machine: &Machine, options: &[&str]) -> String {
    let finished = machine.run(&[&["export", "compose", "--out", "-"], options].concat());
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    finished.stdout
}

fn services(text: &str) -> serde_yaml::Mapping {
    let file: Value = serde_yaml::from_str(text).unwrap();
    file["services"].as_mapping().unwrap().clone()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_sequence().map(|items| items.iter().map(|item| item.as_str().unwrap()).collect()).unwrap_or_default()
}

/// After a change that was meant: `cargo run -- export compose` in the repository, and read the difference.
#[test]
fn the_repository_holds_what_is_exported() {
    let machine = Machine::bare();
    let finished = machine.run(&["export", "compose"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{finished:?}");
    insta::assert_snapshot!(finished.stderr, @"
    compose: 2 files: 2 written
    Next: cd compose && docker compose up --wait
    ");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose");
    let (written, kept) = (files(&machine.path().join("compose")), files(&here));
    assert_eq!(written.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (name, text) in &written {
        assert!(*text == kept[name], "compose/{name} is not what sosstack exports: cargo run -- export compose");
    }
    assert_eq!(exported(&machine, &[]), written["compose.yaml"]);
}

#[test]
fn the_stack_file_and_flags_decide_what_is_exported() {
    let machine = Machine::bare().with_file(
        "sosstack.yaml",
        "name: small
namespace: other
zookeeper: {nodes: 1, image: registry.example.org/zookeeper:1}
kafka: {brokers: 1, heap: 300M, config: {sasl.oauthbearer.expected.audience: '$${HOME}'}}
topics: [{name: orders.new, partitions: 12, config: {retention.ms: 1000}}]
devices: [{id: watch-7, owner: user-7}]
mosquitto: {version: 2.1.2, max_keepalive: 1200}
",
    );
    let text = exported(&machine, &["--port-offset", "100", "--profile", "full"]);
    let has = |part: &str| assert!(text.contains(part), "{part:?} is not in {text}");
    has("\nname: small\n");
    has("image: registry.example.org/zookeeper:1\n");
    has("- -Xmx300M\n");
    has("- -Xmx256M\n");
    has("- -XX:+UseG1GC\n");
    has("mem_limit: 984m\n");
    has("- 127.0.0.1:9192:19092\n");
    has("EXTERNAL://127.0.0.1:9192\n");
    has("- kafka-0.kafka-headless.other.svc.cluster.local\n");
    has("orders.new 12 retention.ms=1000\n");
    has("topic write emergency/user-7/trigger\n");
    has("image: eclipse-mosquitto:2.1.2-alpine\n");
    has("max_keepalive 1210\n");
    has("global_plugin /usr/lib/mosquitto_persist_sqlite.so\n");
    has("$$1/mosquitto.db");
    // Compose would put this machine's own value there.
    has("sasl.oauthbearer.expected.audience=$${HOME}\n");
    assert!(!text.contains("kafka-1"), "{text}");
}

#[test]
fn what_is_exported_is_reachable_from_this_machine_alone() {
    let text = exported(&Machine::bare(), &[]);
    let mut published = 0;
    for (name, service) in services(&text) {
        for variable in service.get("environment").and_then(Value::as_mapping).into_iter().flatten() {
            let is_file = variable.0.as_str().is_some_and(|name| name.ends_with("_FILE"));
            assert!(is_file, "{name:?}: {variable:?}: environments are seen by whoever may inspect");
        }
        assert!(service.get("privileged").is_none() && service.get("pid").is_none(), "{name:?}");
        let network = service.get("network_mode").and_then(Value::as_str);
        assert!(network.is_none_or(|network| network == "none"), "{name:?} is on the network {network:?}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name:?}");
        for port in service.get("ports").map(strings).unwrap_or_default() {
            assert!(port.starts_with("127.0.0.1:"), "{name:?} publishes {port}");
            published += 1;
        }
        for volume in service.get("volumes").map(strings).unwrap_or_default() {
            assert!(!volume.starts_with(['.', '/', '~']), "{name:?} mounts this machine's {volume}");
        }
    }
    assert_eq!(published, 10);
}

#[test]
fn no_secret_of_this_machine_is_exported() {
    let machine = Machine::bare();
    let account = |password: &str| serde_json::json!({ "password": password, "salt": "c2FsdHNhbHRzYWx0" });
    let dir = machine.path().join(".local/share/sosstack/stacks/sos");
    fs::create_dir_all(&dir).unwrap();
    let accounts = serde_json::json!({
        "service": account("service-secret"),
        "probe": account("probe-secret"),
        "devices": { "device-12345": account("device-secret") },
    });
    fs::write(dir.join("accounts.json"), accounts.to_string()).unwrap();
    assert_eq!(machine.run(&["export", "compose"]).code, Some(0));
    for (name, text) in files(&machine.path().join("compose")) {
        for secret in ["-secret", "c2FsdHNhbHRzYWx0", "$7$", "PRIVATE KEY-----\n"] {
            assert!(!text.contains(secret), "{secret} is in {name}");
        }
    }
}

/// A one-shot service that nobody waits for fails `docker compose up --wait`.
#[test]
fn somebody_waits_for_every_service_that_ends() {
    let text = exported(&Machine::bare(), &[]);
    let services = services(&text);
    let awaited: Vec<&str> = services
        .values()
        .filter_map(|service| service.get("depends_on")?.as_mapping())
        .flatten()
        .filter(|(_, dependency)| dependency["condition"] == "service_completed_successfully")
        .map(|(name, _)| name.as_str().unwrap())
        .collect();
    assert_eq!(services["bridge"]["profiles"], Value::from(vec!["bridge"]), "it is asked for");
    let ending: Vec<&str> = services
        .iter()
        .filter(|(_, service)| service.get("restart").is_none())
        .map(|(name, _)| name.as_str().unwrap())
        .collect();
    assert_eq!(ending, ["credentials", "topics"]);
    assert!(ending.iter().all(|name| awaited.contains(name)), "{awaited:?}");
}

#[test]
fn what_somebody_else_wrote_is_left_alone() {
    let machine = Machine::bare().with_file("compose.yaml", "services: {}\n").with_file("a-file", "");
    let refused = |out: &str, code: i32| {
        let finished = machine.run(&["export", "compose", "--out", out]);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(code), ""), "{finished:?}");
        finished.stderr
    };
    insta::assert_snapshot!(refused(".", 2), @"
    error: . holds a-file, which this export did not make
    try: name an empty or a new directory with --out; nothing was written
    ");
    insta::assert_snapshot!(refused("a-file", 2), @"
    error: a-file is a file, not a directory
    try: name a directory with --out; nothing was written
    ");
    insta::assert_snapshot!(refused("a-file/compose", 1), @"
    error: the export cannot be written to a-file/compose: reading a-file/compose: Not a directory (os error 20)
    try: name another directory with --out
    ");
    assert_eq!(files_and_folders(machine.path()), ["a-file", "bin", "compose.yaml"]);
    assert_eq!(fs::read_to_string(machine.path().join("compose.yaml")).unwrap(), "services: {}\n");
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::bare();
    let locked = machine.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        println!("SKIPPED: root may write everywhere");
        return;
    }
    for out in ["locked", "locked/compose"] {
        let finished = machine.run(&["export", "compose", "--out", out]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("Permission denied"), "{finished:?}");
        assert!(
            finished.stderr.ends_with("try: make it writable by you, or name another directory with --out\n"),
            "{finished:?}"
        );
        assert!(files_and_folders(&locked).is_empty());
    }
}

#[test]
fn an_invalid_stack_file_is_not_exported() {
    let machine = Machine::bare().with_file("sosstack.yaml", "kafka: {brokers: 2}\n");
    let finished = machine.run(&["export", "compose"]);
    insta::assert_snapshot!(finished.stderr, @"
    error: the stack file is invalid (1 problem)
      ~/sosstack.yaml:1:9: kafka.brokers: 2 brokers are not supported; use 1, 3 or 5
    ");
    assert_eq!(finished.code, Some(2));
    assert!(!machine.path().join("compose").exists());
}

#[test]
fn as_json_the_files_are_named_on_stdout() {
    let finished = Machine::bare().run(&["export", "compose", "--output", "json"]);
    insta::assert_snapshot!(finished.stdout, @r#"
    {
      "out": "compose",
      "changed": [
        "compose.yaml",
        "README.md"
      ],
      "unchanged": [],
      "removed": []
    }
    "#);
}

fn files_and_folders(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn its_help_is_documentation() {
    insta::assert_snapshot!("help_export_compose", Machine::bare().run(&["export", "compose", "--help"]).stdout);
}
