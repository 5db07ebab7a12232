//! Machines on which something is missing: exit code 3, the cause, and what to do about it.

use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::machine::{Finished, Machine, finish};

const JAVA_8: &str = r#"echo 'openjdk version "1.8.0_402"' >&2"#;
const JAVA_17: &str = r#"echo 'openjdk version "17.0.15" 2025-04-15' >&2"#;
const MOSQUITTO_2: &str = "echo 'mosquitto version 2.0.22'; exit 3";

fn as_processes(machine: &Machine) -> Finished {
    let finished = machine.run(&["up", "--runtime", "process"]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.stdout, "");
    nothing_is_left(machine);
    finished
}

fn nothing_is_left(machine: &Machine) {
    let stacks = std::fs::read_dir(machine.path().join(".local/share/sosstack/stacks"));
    let left: Vec<_> = stacks.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn everything_missing_is_named_at_once() {
    let machine = Machine::bare().with_fake("mosquitto", "echo 'mosquitto version 1.6.15'; exit 3");
    let finished = as_processes(&machine);
    insta::assert_snapshot!(finished.stderr, @r"
    error: Java was not found (11 or later is needed); ~/bin/mosquitto is not Mosquitto 2.x: mosquitto version 1.6.15; Maven was not found (needed once, to fetch Kafka's and ZooKeeper's jars; not with --kafka-home)
    try: sudo apt-get install openjdk-17-jre-headless mosquitto maven (or your system's packages of these names)
    ");
}

#[test]
fn a_java_that_is_too_old_is_named_with_its_version() {
    let machine =
        Machine::bare().with_fake("java", JAVA_8).with_fake("mosquitto", MOSQUITTO_2).with_fake("mvn", "exit 1");
    insta::assert_snapshot!(as_processes(&machine).stderr, @r"
    error: ~/bin/java is Java 8, but Kafka needs 11 or later
    try: sudo apt-get install openjdk-17-jre-headless (or your system's packages of these names)
    ");
}

#[test]
fn a_mosquitto_without_sqlite_is_told_what_has_it() {
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2);
    let machine = machine.with_fake("mvn", "exit 1");
    std::fs::write(machine.path().join("sosstack.yaml"), "mosquitto: {version: 2.1.2, persistence: sqlite}").unwrap();
    insta::assert_snapshot!(as_processes(&machine).stderr, @r"
    error: ~/bin/mosquitto is Mosquitto 2.0.22, but mosquitto.persistence: sqlite needs 2.1 or later
    try: install Mosquitto 2.1, or set mosquitto.persistence to file in the stack file
    ");
}

#[test]
fn java_home_goes_before_path() {
    let machine =
        Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2).with_fake("mvn", "exit 1");
    let home = machine.path().join("jdk");
    std::fs::create_dir(&home).unwrap();
    std::fs::rename(Machine::bare().with_fake("java", JAVA_8).path().join("bin"), home.join("bin")).unwrap();
    let mut command = machine.command(&["up", "--runtime", "process"]);
    let finished = finish(command.env("JAVA_HOME", &home), machine.path());
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("~/jdk/bin/java is Java 8"), "{finished:?}");
}

#[test]
fn a_machine_without_maven_needs_it_once() {
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2);
    insta::assert_snapshot!(as_processes(&machine).stderr, @r"
    error: Maven was not found (needed once, to fetch Kafka's and ZooKeeper's jars; not with --kafka-home)
    try: sudo apt-get install maven (or your system's packages of these names)
    ");
}

/// The real Maven, whose only repository is a port on which nobody listens.
#[test]
fn a_maven_that_fetches_nothing_is_quoted() {
    let Some(machine) = Machine::bare().with_fake("mosquitto", MOSQUITTO_2).with_own("mvn") else { return };
    let settings = "<settings><mirrors><mirror><id>dead</id><mirrorOf>*</mirrorOf>\
                    <url>http://127.0.0.1:1/</url></mirror></mirrors></settings>";
    std::fs::create_dir(machine.path().join(".m2")).unwrap();
    let machine = machine.with_file(".m2/settings.xml", settings);
    let mut command = machine.command(&["up", "--runtime", "process"]);
    command.env("PATH", format!("{}:{}", machine.path().join("bin").display(), std::env::var("PATH").unwrap()));
    // Java asks the system for the home directory, not the environment.
    command.env("MAVEN_OPTS", format!("-Duser.home={}", machine.path().display()));
    let finished = finish(&mut command, machine.path());
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("error: Maven could not fetch Kafka's and ZooKeeper's jars: "), "{finished:?}");
    assert!(finished.stderr.contains("127.0.0.1:1"), "Maven's own words say where it looked: {finished:?}");
    assert!(finished.stderr.contains("or use an unpacked Kafka 3.x: --kafka-home DIR"), "{finished:?}");
    nothing_is_left(&machine);
}

/// Mosquitto is looked for outside PATH too, so one that is installed has to be hidden: in a mount namespace of the
/// test's own, which only root may have.
#[test]
fn a_machine_without_mosquitto_is_told_so() {
    let hide = "for file in /usr/sbin/mosquitto /usr/local/sbin/mosquitto; do
        [ ! -e $file ] || mount --bind /dev/null $file || exit 99
    done
    exec \"$@\"";
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", hide, "sh"]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: this user may not hide a program in a mount namespace");
        return;
    }
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mvn", "exit 1");
    let plain = machine.command(&["up", "--runtime", "process"]);
    let mut command = unshare();
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(machine.path());
    for (name, value) in plain.get_envs() {
        // unshare itself has to be found; the program of that name is asked for its own PATH below.
        if name != "PATH" {
            command.env(name, value.unwrap());
        }
    }
    command.env("PATH", format!("{}:/usr/bin:/bin", machine.path().join("bin").display()));
    let finished = finish(&mut command, machine.path());
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("error: Mosquitto was not found (2.x is needed)"), "{finished:?}");
    assert!(finished.stderr.contains("sudo apt-get install mosquitto"), "{finished:?}");
}

/// On a disk of 16 KiB: a file system in a mount namespace of the test's own, which only root may have.
#[test]
fn a_full_disk_is_said_with_the_file_that_did_not_fit() {
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2);
    let (data, libs) = (machine.path().join("data"), machine.path().join("kafka/libs"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir_all(&libs).unwrap();
    for jar in ["kafka_2.13-3.9.2.jar", "zookeeper-3.9.4.jar"] {
        std::fs::write(libs.join(jar), "").unwrap();
    }
    let fill = "mount -t tmpfs -o size=16k tmpfs \"$DISK\" && exec \"$@\"";
    let plain = machine.command(&["up", "--runtime", "process", "--kafka-home", "kafka"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", fill, "sh"]).arg(plain.get_program()).args(plain.get_args());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{}:/usr/bin:/bin", machine.path().join("bin").display()));
    command.env("DISK", &data).env("XDG_DATA_HOME", &data).current_dir(machine.path());
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: this user may not mount a disk in a namespace");
        return;
    }
    let finished = finish(&mut command, machine.path());
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("error: writing ~/data/sosstack/stacks/sos/"), "{finished:?}");
    assert!(finished.stderr.contains("No space left on device"), "{finished:?}");
    assert!(finished.stderr.contains("try: free some space (df -h"), "{finished:?}");
}

#[test]
fn a_kafka_home_without_kafka_is_refused() {
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2);
    let finished = machine.run(&["up", "--runtime", "process", "--kafka-home", "nowhere"]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    insta::assert_snapshot!(finished.stderr, @r"
    error: ~/nowhere/libs cannot be read: No such file or directory (os error 2)
    try: give --kafka-home the folder of an unpacked Kafka 3.x (the one that holds bin and libs)
    ");
}

#[test]
fn a_docker_that_is_not_there_is_told_from_one_that_does_not_answer() {
    let machine = Machine::bare();
    let absent = machine.run(&["up", "--runtime", "docker"]);
    assert_eq!(absent.code, Some(3), "{absent:?}");
    insta::assert_snapshot!(absent.stderr, @r"
    error: no Docker daemon answers at unix://~/docker.sock, which DOCKER_HOST names: there is no such socket
    try: start that daemon, correct or unset DOCKER_HOST, or run without Docker: --runtime process
    ");
    // The socket of a daemon that has ended.
    drop(UnixListener::bind(machine.socket()).unwrap());
    let down = machine.run(&["up", "--runtime", "docker"]);
    assert_eq!(down.code, Some(3), "{down:?}");
    assert!(down.stderr.contains("which DOCKER_HOST names: Connection refused"), "{down:?}");
    nothing_is_left(&machine);
}

#[test]
fn where_neither_runtime_works_both_reasons_are_given() {
    let machine = Machine::bare().with_fake("java", JAVA_17).with_fake("mosquitto", MOSQUITTO_2);
    let finished = machine.run(&["up"]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    insta::assert_snapshot!(finished.stderr, @"
    • running as plain processes, since Docker cannot be used: no Docker daemon answers at unix://~/docker.sock, which DOCKER_HOST names: there is no such socket
    error: nothing here can run the stack
      with Docker: no Docker daemon answers at unix://~/docker.sock, which DOCKER_HOST names: there is no such socket
      as processes: Maven was not found (needed once, to fetch Kafka's and ZooKeeper's jars; not with --kafka-home)
    try: sudo apt-get install maven (or your system's packages of these names)
      or: start that daemon, correct or unset DOCKER_HOST, or run without Docker: --runtime process
    ");
    nothing_is_left(&machine);
}

/// `sosstack doctor` on machines that are broken in one way each.
#[test]
fn doctor_names_what_is_missing_with_its_remedy() {
    let bare = Machine::bare().with_fake("mosquitto", "echo 'mosquitto version 1.6.15'; exit 3");
    let finished = bare.run(&["doctor"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let has = |text: &str| assert!(finished.stdout.contains(text), "{text:?} is not in {}", finished.stdout);
    has("✗ Docker          no Docker daemon answers at unix://~/docker.sock");
    has("→ start that daemon, correct or unset DOCKER_HOST");
    has("✗ processes       Java was not found (11 or later is needed); ~/bin/mosquitto is not Mosquitto 2.x");
    has("→ sudo apt-get install openjdk-17-jre-headless mosquitto maven");
    assert!(finished.stderr.starts_with("error: 2 of "), "{finished:?}");
}

#[test]
fn doctor_names_a_taken_port_and_a_wrong_stack_file() {
    let machine = Machine::bare().with_file("sosstack.yaml", "ports: {offset: 9300}\n");
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 9093 + 9300)).unwrap();
    let finished = machine.run(&["doctor"]);
    let ports =
        finished.stdout.lines().find(|line| line.starts_with("✗ ports")).unwrap_or_else(|| panic!("{finished:?}"));
    assert!(ports.contains("port 18393 (kafka-1) is taken by"), "{ports}");
    let machine = machine.with_file("sosstack.yaml", "kafka: {brokers: 2}\n");
    let finished = machine.run(&["doctor"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.starts_with("✗ stack file      ~/sosstack.yaml:1:9: kafka.brokers: 2 brokers"),
        "{finished:?}"
    );
}
