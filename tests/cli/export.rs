//! `export k8s` and `export secrets`: what is written where, and what is refused with nothing written.

use std::os::unix::fs::PermissionsExt;

use crate::machine::{Finished, Machine};

fn listing(machine: &Machine) -> Vec<String> {
    let names =
        std::fs::read_dir(machine.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "bin").collect();
    names.sort();
    names
}

/// Exit code 2, nothing on stdout, nothing written.
fn refused(machine: &Machine, arguments: &[&str]) -> String {
    let before = listing(machine);
    let finished = machine.run(arguments);
    assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
    assert_eq!(finished.stdout, "");
    assert_eq!(listing(machine), before);
    finished.stderr
}

fn done(finished: Finished) -> Finished {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}

#[test]
fn manifests_are_written_once_and_then_kept() {
    let machine = Machine::bare();
    insta::assert_snapshot!(done(machine.run(&["export", "k8s"])).stderr, @"
    k8s: 18 files: 18 written
    Next: sosstack export secrets --commands   ·   kubectl apply -k k8s   ·   sosstack verify k8s
    ");
    // With the directory of the bridge's component.
    assert_eq!(std::fs::read_dir(machine.path().join("k8s")).unwrap().count(), 15);
    insta::assert_snapshot!(done(machine.run(&["export", "k8s"])).stderr, @"
    k8s: 18 files: 18 unchanged
    Next: sosstack export secrets --commands   ·   kubectl apply -k k8s   ·   sosstack verify k8s
    ");
    let one = done(machine.run(&["export", "k8s", "--single-file", "--output", "json"]));
    let one: serde_json::Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["changed"].as_array().unwrap().len(), 2);
    assert_eq!(one["removed"].as_array().unwrap().len(), 13);
}

#[test]
fn one_stream_goes_to_stdout_alone() {
    let machine = Machine::bare();
    let finished = done(machine.run(&["export", "k8s", "--out", "-", "-n", "other"]));
    assert_eq!(finished.stderr, "");
    assert!(listing(&machine).is_empty());
    assert_eq!(finished.stdout.matches("\nkind: StatefulSet\n").count(), 3);
    assert!(finished.stdout.contains("namespace: other\n") && !finished.stdout.contains("sos-app"));
}

#[test]
fn what_kubernetes_would_refuse_is_refused_before_anything_is_written() {
    let machine = Machine::bare();
    let all = [
        "export",
        "k8s",
        "--namespace",
        "SOS_App",
        "--domain",
        "a..b",
        "--storage-class",
        "Fast!",
        "--pull-secret",
        "",
        "--kafka-storage",
        "lots",
        "--mqtt-storage",
        "10GB",
        "--image-prefix",
        "https://host/",
    ];
    insta::assert_snapshot!(refused(&machine, &all), @r#"
    error: --namespace "SOS_App" is not a valid namespace: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends
      --domain "a..b" is not a valid DNS domain: use parts of a-z, 0-9 and '-' joined by dots, each with a letter or digit at both ends
      --storage-class "Fast!" is not a valid StorageClass name: use parts of a-z, 0-9 and '-' joined by dots, each with a letter or digit at both ends
      --pull-secret "" is not a valid Secret name: use parts of a-z, 0-9 and '-' joined by dots, each with a letter or digit at both ends
      --kafka-storage "lots" is not a volume size: write a whole number with Mi, Gi or Ti, such as 10Gi
      --mqtt-storage "10GB" is not a volume size: write a whole number with Mi, Gi or Ti, such as 10Gi
      --image-prefix "https://host/" does not begin an image's name: write it like registry.example.org:5000/mirror
    try: each option is explained by --help; nothing was written
    "#);
    insta::assert_snapshot!(refused(&machine, &["export", "k8s", "--namespace", "kube-system"]), @r#"
    error: --namespace "kube-system" is reserved: Kubernetes keeps default and kube-… for itself
    try: each option is explained by --help; nothing was written
    "#);
    insta::assert_snapshot!(refused(&machine, &["export", "secrets", "--namespace", "a_b"]), @r#"
    error: --namespace "a_b" is not a valid namespace: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends
    try: name another with --namespace
    "#);
}

#[test]
fn a_stack_that_cannot_be_is_not_exported() {
    let machine = Machine::bare()
        .with_file("sosstack.yaml", "zookeeper: {nodes: 4}\nkafka: {heap: 1X}\ndevices: [{id: bridge}]\n");
    insta::assert_snapshot!(refused(&machine, &["export", "k8s"]), @r#"
    error: the stack file is invalid (3 problems)
      ~/sosstack.yaml:1:13: zookeeper.nodes: 4 nodes are not supported; use 1, 3 or 5; an even number of nodes tolerates no more failures than one node fewer
      ~/sosstack.yaml:2:9: kafka.heap: "1X" is not a heap size: write 64M or 1G, from 32M to 31G
      ~/sosstack.yaml:3:12: devices[0].id: "bridge" is not a valid device id: it is reserved
    "#);
}

#[test]
fn a_foreign_directory_stays_as_it_is() {
    let machine = Machine::bare();
    std::fs::create_dir(machine.path().join("k8s")).unwrap();
    let machine = machine.with_file("k8s/theirs.yaml", "kind: Theirs\n").with_file("file", "");
    insta::assert_snapshot!(refused(&machine, &["export", "k8s"]), @"
    error: k8s holds theirs.yaml, which this export did not make
    try: name an empty or a new directory with --out; nothing was written
    ");
    insta::assert_snapshot!(refused(&machine, &["export", "k8s", "--out", "file"]), @"
    error: file is a file, not a directory
    try: name a directory with --out; nothing was written
    ");
    assert_eq!(std::fs::read_dir(machine.path().join("k8s")).unwrap().count(), 1);
    // Beside an earlier export's own files, others are welcome.
    done(machine.run(&["export", "k8s", "--out", "ours"]));
    let machine = machine.with_file("ours/patch.yaml", "kind: Patch\n");
    done(machine.run(&["export", "k8s", "--out", "ours", "--own-namespace"]));
    assert_eq!(std::fs::read_dir(machine.path().join("ours")).unwrap().count(), 17);
}

#[test]
fn an_unwritable_directory_is_named() {
    let machine = Machine::bare().with_file("file", "");
    let finished = machine.run(&["export", "k8s", "--out", "file/k8s"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    insta::assert_snapshot!(finished.stderr, @"
    error: the export cannot be written to file/k8s: reading file/k8s: Not a directory (os error 20)
    try: name another directory with --out
    ");
    let finished = machine.run(&["export", "k8s", "--out", "/proc/k8s"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.contains("creating directory /proc/"), "{finished:?}");
}

#[test]
fn secrets_are_for_their_owner_only_and_the_same_each_time() {
    let machine = Machine::bare();
    insta::assert_snapshot!(done(machine.run(&["export", "secrets"])).stderr, @"
    secrets.yaml: 5 Secrets, readable only by you
    Next: kubectl apply --server-side -f secrets.yaml && rm secrets.yaml
    ");
    let file = machine.path().join("secrets.yaml");
    let first = std::fs::read_to_string(&file).unwrap();
    let names: Vec<&str> = first.lines().filter_map(|line| line.strip_prefix("  name: ")).collect();
    assert_eq!(names, ["mqtt-peer", "mqtt-bridge", "mqtt-probe", "mqtt-devices-0", "mqtt-credentials"]);
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(done(machine.run(&["export", "secrets"])).stderr, @"
    secrets.yaml: 5 Secrets, unchanged
    Next: kubectl apply --server-side -f secrets.yaml && rm secrets.yaml
    ");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    assert_eq!(mode(), 0o600, "an export does not leave it open");
    let piped = done(machine.run(&["export", "secrets", "--out", "-"]));
    assert_eq!((piped.stdout.as_str(), piped.stderr.as_str()), (first.as_str(), ""));
    let machine = machine.with_file("sosstack.yaml", "devices: [{id: watch-7, owner: user-7}]\n");
    insta::assert_snapshot!(done(machine.run(&["export", "secrets"])).stderr, @"
    warning: secrets.yaml held other Secrets and was replaced: 5 Secrets
    Next: kubectl apply --server-side -f secrets.yaml && rm secrets.yaml
    ");
}

#[test]
fn a_file_that_somebody_else_wrote_is_not_overwritten() {
    let machine = Machine::bare().with_file("secrets.yaml", "theirs\n");
    let finished = machine.run(&["export", "secrets"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    insta::assert_snapshot!(finished.stderr, @"
    error: secrets.yaml is there, and was not made by export secrets
    try: name another file with --out; nothing was written
    ");
    assert_eq!(std::fs::read_to_string(machine.path().join("secrets.yaml")).unwrap(), "theirs\n");
}

#[test]
fn commands_hold_no_secret() {
    let machine = Machine::bare();
    let commands = done(machine.run(&["export", "secrets", "--commands", "--stack", "prod"])).stdout;
    insta::assert_snapshot!(commands, @"
    sosstack export secrets --namespace sos-app --only mqtt-peer --out - --stack prod | kubectl apply --server-side --filename -
    sosstack export secrets --namespace sos-app --only mqtt-bridge --out - --stack prod | kubectl apply --server-side --filename -
    sosstack export secrets --namespace sos-app --only mqtt-probe --out - --stack prod | kubectl apply --server-side --filename -
    sosstack export secrets --namespace sos-app --only mqtt-devices-0 --out - --stack prod | kubectl apply --server-side --filename -
    sosstack export secrets --namespace sos-app --only mqtt-credentials --out - --stack prod | kubectl apply --server-side --filename -
    ");
    let one = done(machine.run(&["export", "secrets", "--stack", "prod", "--only", "mqtt-peer", "--out", "-"])).stdout;
    assert_eq!(one.matches("kind: Secret").count(), 1);
    let unknown = machine.run(&["export", "secrets", "--only", "other"]);
    assert_eq!(unknown.code, Some(2));
    insta::assert_snapshot!(unknown.stderr, @r#"
    error: this stack has no Secret "other"
    try: name one of mqtt-peer, mqtt-bridge, mqtt-probe, mqtt-devices-0, mqtt-credentials
    "#);
}

/// An operator of a cluster has no stack on this machine, and devices come and go all the same.
#[test]
fn devices_change_without_a_stack_on_this_machine() {
    let machine = Machine::bare();
    assert_eq!(
        machine.run(&["device", "add", "watch-7"]).stderr,
        "error: stack sos is not running\ntry: sosstack up\n"
    );
    let exported = || done(machine.run(&["export", "secrets", "--only", "mqtt-devices-0", "--out", "-"])).stdout;
    let first = exported();
    insta::assert_snapshot!(done(machine.run(&["device", "add", "watch-7", "--owner", "user-7"])).stderr, @"
    • the stack is not running here; to update a cluster, run sosstack export secrets
    watch-7: done
    ");
    let second = exported();
    assert_ne!(first, second);
    done(machine.run(&["device", "rotate", "watch-7"]));
    assert_ne!(second, exported());
    done(machine.run(&["device", "remove", "watch-7"]));
    assert_eq!(first, exported(), "as if it had never been there");
}
