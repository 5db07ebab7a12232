//! What Mosquitto keeps when it is killed, and when another version or another way of keeping it comes: 2.0.12 and later
//! with a file, 2.1 with SQLite. In Docker only, where both can be had.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::devices::MqttClient;
use crate::harness::{Finished, Home, On};
use crate::messages::{PATIENCE, feed, lines};

const TOPIC: &str = "device/kept/telemetry";
/// A stack as small as they come: this is about Mosquitto.
const SMALL: &str = "extends: nothing\nzookeeper: {nodes: 1}\nkafka: {brokers: 1}\n";

#[test]
fn what_mosquitto_keeps_outlasts_kills_and_upgrades() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 17_500);
    home.write_stack_file(SMALL);
    home.up();
    the_promised_keep_alive_is_granted(&home);
    too_long_a_keep_alive_is_named(&home);
    an_upgrade_keeps_what_waits_or_is_refused(&home);
    the_promised_keep_alive_is_granted(&home);
    no_message_is_too_large_for_a_version(&home);
    with_sqlite_a_kill_loses_nothing(&home);
    going_back_is_refused_too(&home);
}

/// The stack file over the stand-in images: `mosquitto` of it, with the newer image where there are stand-ins.
fn newer(home: &Home, mosquitto: &str) {
    let image = std::env::var_os("SOSSTACK_TEST_STACK_FILE").map_or("", |_| ", image: sosstack-test/mosquitto:2.1.2");
    home.write_stack_file(&format!("{SMALL}mosquitto: {{version: 2.1.2{image}{mosquitto}}}"));
}

/// A session that keeps messages while its client is away.
struct Session<'a> {
    client: &'a MqttClient,
    id: &'static str,
    /// How it begins, and how it is taken up again.
    options: [&'static [&'static str]; 2],
}

const DURABLE: [&[&str]; 2] = [&["-c"], &["-c"]];
/// Of MQTT 5, begun with clean start: a file does not keep such a one.
const BEGAN_CLEAN: [&[&str]; 2] =
    [&["-V", "mqttv5", "-D", "connect", "session-expiry-interval", "3600"], &["-V", "mqttv5", "-c", "-x", "3600"]];

impl Session<'_> {
    fn command(&self, options: &[&str]) -> Command {
        let mut command = self.client.command("mosquitto_sub");
        command.args(["-i", self.id, "-q", "1", "-t", TOPIC]).args(options);
        command
    }

    fn resume(&self) -> Command {
        self.command(self.options[1])
    }

    fn begin(&self) {
        assert!(self.command(self.options[0]).arg("-E").status().unwrap().success(), "{}", self.id);
    }

    /// The next messages that waited.
    fn take(&self, count: usize) -> Vec<String> {
        let taken = self.resume().args(["-C", &count.to_string(), "-W", "60"]).output().unwrap();
        assert!(taken.status.success(), "{}: {} lines", self.id, lines(&taken.stdout).len());
        lines(&taken.stdout)
    }
}

/// Mosquitto 2.0.21 throws out who asks for its own limit, when something arrives just after a second began.
fn the_promised_keep_alive_is_granted(home: &Home) {
    let client = MqttClient::of(home, "sos_service");
    let publish = |qos: &'static str| {
        let arguments = ["-k", "300", "-q", qos, "-t", "device/eager/telemetry", "-m", "x", "--repeat", "60"];
        client.command("mosquitto_pub").args(arguments).args(["--repeat-delay", "0.05"]).stderr(Stdio::piped()).spawn()
    };
    let publishers: Vec<_> = ["0", "1", "2", "2"].map(publish).into_iter().map(Result::unwrap).collect();
    for publisher in publishers {
        let ended = publisher.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
}

fn too_long_a_keep_alive_is_named(home: &Home) {
    let client = MqttClient::of(home, "sos_service");
    let publish = |version: &str| {
        let arguments = ["-V", version, "-k", "600", "-i", "a patient watch", "-t", "device/patient/status", "-m", "x"];
        client.command("mosquitto_pub").args(arguments).output().unwrap()
    };
    assert!(publish("mqttv5").status.success(), "it is told the server's value");
    let refused = publish("mqttv311");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("identifier rejected"), "{refused:?}");

    let words = "wants a keep alive of 600 s";
    let logs = home.run(&["logs", "mosquitto"]);
    assert!(
        logs.stderr.contains(&format!("a patient watch was refused with \"identifier rejected\": it {words}")),
        "{logs:?}"
    );
    let findings = home.json(&["doctor"]);
    let warned = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["verdict"] == "warning" && finding["words"].as_str().unwrap().contains(words));
    assert!(warned.unwrap()["remedy"].as_str().unwrap().contains("mosquitto.max_keepalive"), "{findings:#}");
}

fn an_upgrade_keeps_what_waits_or_is_refused(home: &Home) {
    let client = MqttClient::of(home, "sos_service");
    let session = Session { client: &client, id: "away", options: DURABLE };
    session.begin();
    let sent: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(feed(home, &["pub", TOPIC, "--lines", "--qos", "1"], sent.join("\n").as_bytes()).code, Some(0));
    home.ok(&["pub", "device/kept/status", "kept", "--retain", "--qos", "1"]);

    newer(home, "");
    let before = mosquitto(home);
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let flag = format!("sosstack up --accept-data-loss --stack {}", home.stack);
    for words in ["which SQLite persistence cannot read", "mosquitto.persistence: file in the stack file", &flag] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert_eq!(mosquitto(home), before, "nothing was touched");

    newer(home, ", persistence: file");
    home.ok(&["up"]);
    assert_ne!(mosquitto(home), before);
    assert_eq!(session.take(sent.len()), sent);
    assert_eq!(retained(home), "kept\n");

    newer(home, "");
    home.ok(&["up", "--accept-data-loss"]);
    assert_eq!(home.json(&["up"])["was_up"], true, "the choice is made once");
}

/// By default 2.1 takes 2,000,000 bytes, and 2.0 as much as a packet may have.
fn no_message_is_too_large_for_a_version(home: &Home) {
    let large = home.path().join("large");
    std::fs::write(&large, vec![b'x'; 3_000_000]).unwrap();
    home.ok(&["pub", "device/kept/alert", &format!("@{}", large.display()), "--qos", "1"]);
}

/// Mosquitto is killed when everything was acknowledged. Killed in the midst of publishing it was seen to lose one and
/// ten of 6,000 (docs/persistence.md).
fn with_sqlite_a_kill_loses_nothing(home: &Home) {
    const COUNT: usize = 6000;
    let client = MqttClient::of(home, "sos_service");
    let sessions = [
        Session { client: &client, id: "old", options: DURABLE },
        Session { client: &client, id: "began-clean", options: BEGAN_CLEAN },
    ];
    sessions.iter().for_each(Session::begin);
    home.ok(&["pub", "device/kept/status", "kept in SQLite", "--retain", "--qos", "1"]);
    let sent: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(feed(home, &["pub", TOPIC, "--lines", "--qos", "1"], sent.join("\n").as_bytes()).code, Some(0));
    let killed = Command::new("docker").args(["kill", &mosquitto(home)]).stdout(Stdio::null()).status().unwrap();
    assert!(killed.success());
    home.ok(&["up"]);

    for session in &sessions {
        let mut receiver = session.resume().args(["-W", "60"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut missing: BTreeSet<&str> = sent.iter().map(String::as_str).collect();
        for line in std::io::BufReader::new(receiver.stdout.take().unwrap()).lines().map_while(Result::ok) {
            missing.remove(line.as_str());
            if missing.is_empty() {
                break;
            }
        }
        let _ = receiver.kill();
        receiver.wait().unwrap();
        let some: Vec<_> = missing.iter().take(20).collect();
        assert!(missing.is_empty(), "{}: {} of {COUNT} are missing: {some:?}", session.id, missing.len());
    }
    assert_eq!(retained(home), "kept in SQLite\n");
}

fn going_back_is_refused_too(home: &Home) {
    home.write_stack_file(SMALL);
    let before = mosquitto(home);
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("keeps its sessions, retained and queued messages in SQLite"), "{refused:?}");
    assert_eq!(mosquitto(home), before, "nothing was touched");
}

fn retained(home: &Home) -> String {
    let patience = format!("{}s", PATIENCE.as_secs());
    let read = home.run(&["sub", "device/kept/status", "--count", "1", "--timeout", &patience]);
    assert_eq!(read.code, Some(0), "{read:?}");
    let Finished { stdout, .. } = read;
    stdout
}

/// Mosquitto's container.
fn mosquitto(home: &Home) -> String {
    let status = home.json(&["status"]);
    let is_it = |service: &&Value| service["service"] == "mosquitto";
    status["services"].as_array().unwrap().iter().find(is_it).unwrap()["handle"].as_str().unwrap().to_owned()
}
