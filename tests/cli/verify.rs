//! `verify k8s` beside a kubectl that plays a cluster: what is asked, what is made of the answers, what is refused.

use crate::machine::Machine;

/// Answers as a healthy cluster does. What it was asked, and told on stdin, is kept in `asked`.
const HEALTHY: &str = r#"
echo "$@" >> "$HOME/asked"
ready() { printf '{"metadata":{"name":"%s"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}' "$1"; }
case "$*" in
*" get pods "*)
    printf '{"items":['
    for pod in zookeeper-0 zookeeper-1 zookeeper-2 kafka-0 kafka-1 kafka-2 mqtt-0; do ready $pod; printf ,; done
    ready mqtt-1
    echo ']}' ;;
*"exec --stdin zookeeper-"*srvr*) case "$*" in *zookeeper-1*) echo "Mode: leader" ;; *) echo "Mode: follower" ;; esac ;;
*brokers/ids*) echo "Connecting"; echo "[0, 1, 2]" ;;
*--describe*)
    for topic in emergency.created:3 emergency.updated:3 emergency.resolved:3 location.realtime:6 location.geofence:3 \
        notification.push:3 notification.sms:3 notification.email:3 device.telemetry:6 device.alerts:3 audit.access:3 \
        audit.changes:3 dlq.failed-messages:3; do
        partition=0
        while [ $partition -lt ${topic#*:} ]; do
            printf '\tTopic: %s\tPartition: %s\tLeader: 0\tReplicas: 0,1,2\tIsr: 0,1,2\n' ${topic%:*} $partition
            partition=$((partition + 1))
        done
    done ;;
*mqtt-*)
    while read -r line; do echo "$line" >> "$HOME/told"; done
    for name in login service stranger anonymous foreign device device-foreign across; do echo "$name ok"; done ;;
esac
"#;

fn cluster(changed: &str) -> Machine {
    Machine::bare().with_fake("kubectl", &format!("{changed}\n{HEALTHY}"))
}

fn asked(machine: &Machine) -> String {
    std::fs::read_to_string(machine.path().join("asked")).unwrap()
}

#[test]
fn a_healthy_cluster_is_green() {
    let machine = cluster("");
    let finished = machine.run(&["verify", "k8s", "--kube-context", "there", "-n", "other"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    insta::assert_snapshot!(finished.stdout, @"
    PART              STATE  FOUND
    Pods              ok     8 of 8 ready
    ZooKeeper quorum  ok     3 of 3 serve, zookeeper-1 leads
    Kafka brokers     ok     3 of 3 registered
    Kafka replicas    ok     45 partitions in sync on all their brokers
    Kafka topics      ok     13 of 13 exist
    MQTT logins       ok     accepted, strangers refused
    MQTT access       ok     a foreign message refused
    MQTT peers        ok     messages cross in both directions
    ");
    assert!(asked(&machine).lines().all(|line| line.starts_with("--context there --namespace other ")));
}

/// The bridge, where it was applied, is asked to press; `$1` is what it says.
fn with_bridge(says: &str) -> Machine {
    let bridge = format!(
        r#"case "$*" in
*" get pods "*) bridge=1 ;;
*"exec --stdin bridge-0 --container bridge -- sosstack bridge probe --output json --bootstrap kafka-0."*" --mqtt mqtt://sos_bridge@mqtt-0."*)
    {says}; exit ;;
esac"#
    );
    let pods = HEALTHY.replace("ready mqtt-1\n", "ready mqtt-1; [ -z \"$bridge\" ] || { printf ,; ready bridge-0; }\n");
    Machine::bare().with_fake("kubectl", &format!("{bridge}\n{pods}"))
}

#[test]
fn a_bridge_that_is_there_proves_itself_by_a_press() {
    let machine = with_bridge(r#"echo '{"milliseconds":12.3}'"#);
    let finished = machine.run(&["verify", "k8s"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines: Vec<&str> =
        finished.stdout.lines().filter(|line| line.contains("9 of 9") || line.contains("press")).collect();
    assert_eq!(lines.len(), 2, "{}", finished.stdout);
    assert!(lines[1].starts_with("Bridge            ok     a press gets through: 12.3 ms"), "{}", finished.stdout);

    for (says, why) in [
        (
            r#"echo '{"error":{"code":"failed","message":"no bridge has brought it"}}' >&2; false"#,
            "no bridge has brought it",
        ),
        ("echo 'error: unable to upgrade connection' >&2; false", "unable to upgrade connection"),
    ] {
        let finished = with_bridge(says).run(&["verify", "k8s"]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stdout.contains(why) && finished.stderr.contains("logs bridge-0"), "{finished:?}");
    }
}

#[test]
fn secrets_go_to_stdin_and_never_into_an_argument() {
    let machine = cluster("");
    assert_eq!(machine.run(&["export", "secrets"]).code, Some(0));
    let password = machine.run(&["device", "show", "device-12345", "--password"]).stdout;
    let finished = machine.run(&["verify", "k8s", "--output", "json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let told = std::fs::read_to_string(machine.path().join("told")).unwrap();
    assert!(told.contains(password.trim()), "the device's login is tried");
    assert!(!asked(&machine).contains(password.trim()));
    let found: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found["ok"], true);
    assert_eq!(found["checks"].as_array().unwrap().len(), 9);
}

#[test]
fn each_part_that_does_not_work_is_named_with_its_remedy() {
    let broken = [
        (
            "pods",
            r#"case "$*" in *" get pods "*) echo '{"items":[{"metadata":{"name":"kafka-0"},"status":{"conditions":[{"type":"Ready","status":"False","message":"containers with unready status: [kafka]"}],"containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}]}'; exit ;; esac"#,
        ),
        ("quorum", r#"case "$*" in *zookeeper-2*srvr*) exit 1 ;; esac"#),
        ("brokers", r#"case "$*" in *brokers/ids*) echo "[0, 2]"; exit ;; esac"#),
        (
            "replicas",
            r#"case "$*" in *--describe*) printf '\tTopic: audit.access\tPartition: 0\tLeader: none\tReplicas: 0,1,2\tIsr: 1\n'; exit ;; esac"#,
        ),
        ("kafka", r#"case "$*" in *--describe*) echo 'error: container not found ("kafka")' >&2; exit 1 ;; esac"#),
        (
            "mqtt",
            r#"case "$*" in *mqtt-1*) echo "login failed: Connection error: Connection Refused: not authorised."; echo "across failed: nothing arrived"; exit ;; esac"#,
        ),
    ];
    for (name, script) in broken {
        let finished = cluster(script).run(&["verify", "k8s"]);
        assert_eq!(finished.code, Some(1), "{name}: {finished:?}");
        insta::assert_snapshot!(format!("verify_{name}"), format!("{}\n{}", finished.stdout, finished.stderr));
    }
}

#[test]
fn no_cluster_and_no_kubectl_are_told_apart() {
    let without = Machine::bare().run(&["verify", "k8s"]);
    assert_eq!(without.code, Some(1));
    insta::assert_snapshot!(without.stderr, @"
    error: kubectl is not on PATH
    try: install it: https://kubernetes.io/docs/tasks/tools/
    ");
    let script = "echo 'The connection to the server localhost:8080 was refused' >&2; exit 1";
    let unreachable = Machine::bare().with_fake("kubectl", script).run(&["verify", "k8s"]);
    assert_eq!(unreachable.code, Some(1));
    insta::assert_snapshot!(unreachable.stderr, @"
    error: kubectl cannot reach the cluster: The connection to the server localhost:8080 was refused
    try: kubectl config get-contexts shows where it looks; name another with --kube-context
    ");
}
