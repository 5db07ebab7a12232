//! Whatever stands around the bridge is killed while many devices publish, and the bridge again and again meanwhile; the
//! ledger is the judge, and where Mosquitto is killed also what the bridge was heard to acknowledge.
//!
//! A few kills by default; `make soak` does many (`SOSSTACK_SOAK_ROUNDS`). The seed of their order is printed, and
//! `SOSSTACK_SOAK_SEED` gives it again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bridge::{end, kill, records};
use crate::harness::{Home, On, ends_within, eventually, send_signal};
use crate::messages::{PATIENCE, Running};
use crate::witness::Witness;

const DEVICES: &str = "500";
const RATE: &str = "1000/s";
/// How often the bridge is killed in one run, at least.
const KILLS: u32 = 10;
/// Where messages may be found.
const TOPICS: [&str; 6] = [
    "emergency.created",
    "device.alerts",
    "device.telemetry",
    "location.realtime",
    "location.geofence",
    "dlq.failed-messages",
];

/// What is killed beside the bridge, all of it at once.
type Victims = &'static [&'static str];

const BROKERS: [Victims; 4] = [&["kafka-0"], &["kafka-1"], &["kafka-2"], &["kafka-0", "kafka-1", "kafka-2"]];
const MOSQUITTO: Victims = &["mosquitto"];
const EVERYTHING: Victims = &["mosquitto", "kafka-0", "kafka-1", "kafka-2"];

/// 0 at QoS 1 and 2, and in order, whichever brokers are killed. At QoS 0 a broker may take in later what a killed bridge
/// had sent it, and nobody sends it a second time before what follows.
pub fn brokers_and_bridges_are_killed(home: &Home) {
    let rounds = rounds();
    let mut rng = rng();
    let mut victims: Vec<Victims> = (0..rounds.div_ceil(10)).flat_map(|_| BROKERS).collect();
    rng.shuffle(&mut victims);
    let bridges = Bridges { home, elsewhere: None };
    let ran = run(&bridges, &victims, KILLS.max(4 * rounds), &mut rng, "brokers.jsonl");
    let verdict = verdict(home, &ran.ledger, "30s");
    println!("bridges killed {} times, and {victims:?}: {verdict}", ran.bridges_killed);
    for of_qos in verdict["qos"].as_array().unwrap() {
        assert!(of_qos["qos"] == 0 || (of_qos["lost"] == 0 && of_qos["reordered"] == 0), "{verdict:#}");
        assert!(of_qos["found"].as_u64() > Some(0), "{verdict:#}");
    }
    end(ran.active);
}

fn verdict(home: &Home, ledger: &Path, timeout: &str) -> Value {
    let arguments = ["ledger", "verify", ledger.to_str().unwrap(), "--timeout", timeout, "--output", "json"];
    let finished = home.run(&arguments);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}\n{finished}"))
}

/// Nothing that the bridge acknowledged is lost with Mosquitto. Of what Mosquitto had acknowledged to devices it may lose
/// what its persistence had not written when it was killed: with a file about a second, with `SQLite` a turn of its loop.
pub fn mosquitto_is_killed(home: &Home) {
    let rounds = rounds();
    let mut rng = rng();
    let mut victims = vec![MOSQUITTO, EVERYTHING];
    if rounds > 1 {
        let more = BROKERS.into_iter().chain([MOSQUITTO, MOSQUITTO, EVERYTHING]);
        victims.extend(std::iter::repeat_n(more, rounds.div_ceil(10) as usize).flatten());
    }
    rng.shuffle(&mut victims);
    let server = home.environment()["MQTT_PORT"].parse().unwrap();
    let witness = Witness::before(([127, 0, 0, 1], server).into());
    let bridges = Bridges { home, elsewhere: Some(witness.address.to_string()) };
    let ran = run(&bridges, &victims, 2.max(rounds), &mut rng, "mosquitto.jsonl");

    let verdict = verdict(home, &ran.ledger, "5s");
    let found = found(home);
    let acknowledged = witness.acknowledged();
    let betrayed: Vec<&String> = acknowledged.difference(&found).take(10).collect();
    assert!(betrayed.is_empty() && !acknowledged.is_empty(), "acknowledged by the bridge, and gone: {betrayed:?}");
    let lost = lost(&ran.ledger, &found);
    println!(
        "Mosquitto killed {} times, and bridges {} times: {} lost of what Mosquitto had acknowledged to devices; {verdict}",
        ran.moments.len(),
        ran.bridges_killed,
        lost.len()
    );
    let unwritten = if home.on == On::Docker { 500 } else { 2_500 };
    for entry in lost {
        // At QoS 2 the last word may have come from the server that was started again, of a message that it had lost.
        let near = |(begun, done): &(i64, i64)| {
            let times = [&entry["acknowledged"], &entry["sent"]].map(|time| time.as_i64().unwrap());
            times.iter().any(|time| (begun - unwritten..=*done).contains(time))
        };
        assert!(ran.moments.iter().any(near), "lost, and not for want of persistence: {entry}, {:?}", ran.moments);
    }
    for of_qos in verdict["qos"].as_array().unwrap() {
        assert!(of_qos["qos"] == 0 || of_qos["reordered"] == 0, "{verdict:#}");
    }
    end(ran.active);
}

/// Brokers that were just started do not know a topic for a moment, and the library waits for a topic only in the first
/// 30 s of its use.
pub fn an_outage_is_not_the_end_of_a_topic(home: &Home) {
    let bridge = Bridges { home, elsewhere: None }.start("subscribed");
    let (began, first_use_is_over) = (Instant::now(), Duration::from_secs(31));
    let publish =
        |part: &str| home.ok(&["pub", "geofence/user-1001/exit", &json!({ "outage": part }).to_string(), "--qos", "1"]);
    let arrived =
        |part: &str| records(home, "location.geofence").iter().any(|record| record["value"]["outage"] == part);
    publish("before");
    eventually("the topic is in use", PATIENCE, || arrived("before"));
    home.ok(&["stop", "kafka"]);
    publish("meanwhile");
    std::thread::sleep(first_use_is_over.saturating_sub(began.elapsed()));
    home.ok(&["start", "kafka"]);
    eventually("what waited is where it belongs", PATIENCE, || arrived("meanwhile"));
    end(bridge);
}

/// `make soak` runs many.
pub fn rounds() -> u32 {
    std::env::var("SOSSTACK_SOAK_ROUNDS").ok().map_or(1, |text| text.parse().unwrap())
}

fn rng() -> Rng {
    let seed = std::env::var("SOSSTACK_SOAK_SEED").ok().map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("SOSSTACK_SOAK_SEED={seed}");
    Rng::with_seed(seed)
}

/// What is left of a run.
struct Ran {
    ledger: PathBuf,
    /// The bridge that is at work.
    active: Running,
    bridges_killed: u32,
    /// When Mosquitto was killed: before the kill and after it, in milliseconds since 1970.
    moments: Vec<(i64, i64)>,
}

/// Devices publish while victims are killed and started again, one after the other, and bridges all the time.
fn run(bridges: &Bridges<'_>, victims: &[Victims], kills: u32, rng: &mut Rng, name: &str) -> Ran {
    let home = bridges.home;
    let first = bridges.start("subscribed");
    let ledger = home.path().join(name);
    let words = ["simulate", "--devices", DEVICES, "--rate", RATE, "--duration", "3h", "--scenario", "burst"];
    let mut devices = Running::of(home.spawn(&[&words, ["--ledger", ledger.to_str().unwrap()].as_slice()].concat()));
    eventually("devices publish", PATIENCE, || lines(&ledger) > 1_000);
    let moments = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let mut others = rng.fork();
    let (active, bridges_killed) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let over = Over(&is_over);
            for victims in victims {
                pause(&mut others, 500..2_000);
                let begun = now();
                kill_all(home, victims);
                moments.lock().unwrap().extend(victims.contains(&"mosquitto").then(|| (begun, now())));
                pause(&mut others, 0..1_500);
                home.ok(&[&["start"], *victims].concat());
            }
            drop(over);
        });
        let (mut active, mut bridges_killed) = (first, 0);
        while bridges_killed < kills || !is_over.load(Ordering::Relaxed) {
            pause(rng, 100..1_200);
            active = if rng.bool() { bridges.hand_over(active) } else { bridges.replace(active) };
            bridges_killed += 1;
        }
        (active, bridges_killed)
    });
    let before = lines(&ledger);
    eventually("devices publish at the end, too", PATIENCE, || lines(&ledger) > before + 1_000);
    send_signal(devices.child.id(), Signal::INT);
    let ended = ends_within(&mut devices.child, PATIENCE);
    assert_eq!(ended.code(), Some(130), "{:?}", devices.said());
    Ran { ledger, active, bridges_killed, moments: moments.into_inner().unwrap() }
}

/// Says that the others are done, also where one of them has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The moment is what varies: there is no condition to wait for.
fn pause(rng: &mut Rng, millis: std::ops::Range<u64>) {
    std::thread::sleep(Duration::from_millis(rng.u64(millis)));
}

/// How bridges are started.
struct Bridges<'a> {
    home: &'a Home,
    /// `host:port` where Mosquitto is spoken to, if not as the stack has it.
    elsewhere: Option<String>,
}

impl Bridges<'_> {
    fn start(&self, words: &str) -> Running {
        let home = self.home;
        let mut command = home.command(&["bridge", "run"]);
        if let Some(address) = &self.elsewhere {
            let environment = home.environment();
            let url = format!("mqtt://{}@{address}", environment["MQTT_USERNAME"]);
            command.args(["--mqtt", &url, "--bootstrap", &environment["KAFKA_BROKERS"], "--journal", "witnessed"]);
            command.env("SOSSTACK_MQTT_PASSWORD", &environment["MQTT_PASSWORD"]);
        }
        let mut running = Running::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        running.wait_for(words);
        running
    }

    fn replace(&self, active: Running) -> Running {
        kill(active);
        self.start("subscribed")
    }

    /// The standby takes over.
    fn hand_over(&self, active: Running) -> Running {
        let mut standby = self.start("standby");
        kill(active);
        standby.wait_for("subscribed");
        standby
    }
}

fn kill_all(home: &Home, services: &[&str]) {
    match home.on {
        On::Docker => {
            let names = services.iter().map(|service| format!("sosstack-{}-{service}", home.stack));
            let killed = Command::new("docker").arg("kill").args(names).stdout(Stdio::null()).status().unwrap();
            assert!(killed.success());
        }
        On::Process => {
            for service in services {
                let file = home.stack_dir().join("services").join(service).join("instance.json");
                let record: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                send_signal(u32::try_from(record["process"]["pid"].as_u64().unwrap()).unwrap(), Signal::KILL);
            }
        }
    }
}

fn now() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// The devices' event ids that are in Kafka.
fn found(home: &Home) -> BTreeSet<String> {
    let of = |record: &Value| {
        let headers = record["headers"].as_array()?;
        let header = headers.iter().find(|header| header["name"] == "device-event-id")?;
        Some(header["value"].as_str()?.to_owned())
    };
    TOPICS.iter().flat_map(|topic| records(home, topic)).filter_map(|record| of(&record)).collect()
}

/// Messages of a ledger that were acknowledged at QoS 1 or 2, and are not found.
fn lost(ledger: &Path, found: &BTreeSet<String>) -> Vec<Value> {
    let text = std::fs::read_to_string(ledger).unwrap();
    let entries = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_lost = |entry: &Value| {
        entry["qos"] != 0 && !entry["acknowledged"].is_null() && !found.contains(entry["eventId"].as_str().unwrap())
    };
    entries.filter(is_lost).collect()
}
