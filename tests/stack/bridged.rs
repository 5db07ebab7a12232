//! `up --bridge`: two bridges beside a stack, one active and one waiting, known to every command that knows services.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use crate::bridge_probe::metric;
use crate::disk::SmallDisk;
use crate::faults::interrupt;
use crate::harness::{Finished, Home, On, eventually, processes_mentioning, send_signal};
use crate::healing::found;
use crate::letters;
use crate::messages::{PATIENCE, feed, lines, read_all};
use crate::trace::a_press_is_traced;
use crate::walkthrough::the_bridges_five_minutes_work_as_written;

/// From the end of the active bridge to the first message that the other one takes: 3 s is what is promised, and a busy
/// machine is given more.
const TAKEOVER: Duration = Duration::from_secs(6);

#[test]
fn bridges_come_and_go_with_their_stack_as_processes() {
    if !On::Process.is_here() {
        return;
    }
    let home = Home::new(On::Process, 18_300);
    what_cannot_be_is_refused_before_anything_starts(&home);
    ctrl_c_takes_them_away_again(&home);
    bridged(&home);
    letters::none_is_said(&home);
    nobody_is_alarmed(&home);
    a_press_is_one_emergency(&home);
    every_command_knows_them(&home);
    a_press_is_traced(&home);
    the_bridges_five_minutes_work_as_written(&home);
    the_standby_delivers_when_the_active_one_is_killed(&home);
    other_routes_replace_them(&home);
    what_they_do_besides_is_remembered(&home);
    letters::a_poisoned_message_is_found_and_replayed(&home);
    they_stop_and_start(&home);
    both_killed_is_unhealthy_and_heals(&home);
    a_journal_that_fills_is_told(&home);
    they_are_taken_away(&home);
    they_end_before_the_brokers(&home);
}

#[test]
fn bridges_come_and_go_with_their_stack_in_docker() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 18_800);
    bridged(&home);
    letters::none_is_said(&home);
    nobody_is_alarmed(&home);
    a_press_is_one_emergency(&home);
    every_command_knows_them(&home);
    a_press_is_traced(&home);
    what_they_do_besides_is_remembered(&home);
    the_standby_delivers_when_the_active_one_is_killed(&home);
    letters::a_poisoned_message_is_found_and_replayed(&home);
    they_end_before_the_brokers(&home);
}

pub fn up(home: &Home, more: &[&str]) -> Finished {
    let arguments = home.up_arguments();
    home.run(&arguments.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

fn bridged(home: &Home) -> Finished {
    let up = up(home, &["--bridge"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    let said = ["is subscribed", "is its standby", "a press got to Kafka in "];
    assert!(said.iter().all(|words| up.stderr.contains(words)), "{up:?}");
    up
}

/// Command lines of the stack's bridges.
fn running(home: &Home) -> Vec<String> {
    processes_mentioning(&home.stack_dir().join("bridges/bridge-").display().to_string())
}

/// What `status` says, and its exit code.
fn status(home: &Home) -> (Value, Option<i32>) {
    let finished = home.run(&["status", "--output", "json"]);
    (serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}")), finished.code)
}

/// Name and process id of the bridges that say this of themselves.
fn those(home: &Home, detail: &str) -> Vec<(String, u32)> {
    let status = status(home).0;
    let processes = status["bridge"]["processes"].as_array().unwrap_or_else(|| panic!("{status:#}")).iter();
    let said = processes.filter(|process| process["detail"] == detail);
    let id = |process: &Value| u32::try_from(process["pid"].as_u64().unwrap()).unwrap();
    said.map(|process| (process["bridge"].as_str().unwrap().to_owned(), id(process))).collect()
}

/// The active bridge and its standby.
fn both(home: &Home) -> [(String, u32); 2] {
    let mut both = those(home, "active, connected");
    both.extend(those(home, "standby"));
    both.try_into().unwrap_or_else(|both| panic!("{both:?}: {:#}", status(home).0))
}

fn what_cannot_be_is_refused_before_anything_starts(home: &Home) {
    std::fs::write(home.path().join("bad.yaml"), "routes: [{name: mine, filter: a/b, topic: no.such.topic}]").unwrap();
    let invalid = up(home, &["--bridge", "--bridge-routes", "bad.yaml"]);
    assert!(invalid.code == Some(2) && invalid.stderr.contains("no.such.topic"), "{invalid:?}");
    let lonely = up(home, &["--bridge-probe"]);
    assert!(lonely.code == Some(2) && lonely.stderr.contains("try: add --bridge\n"), "{lonely:?}");
    let port = 9112 + home.offset;
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = up(home, &["--bridge"]);
    assert!(refused.code == Some(1) && refused.stderr.contains(&format!("{port} (bridge-1)")), "{refused:?}");
    home.assert_nothing_left();
}

fn ctrl_c_takes_them_away_again(home: &Home) {
    let interrupted = interrupt(home, &["--bridge"], Signal::INT, "Starting bridges");
    assert_eq!(interrupted.code, Some(130), "{interrupted:?}");
    home.assert_nothing_left();
}

/// By the proof that they work.
fn nobody_is_alarmed(home: &Home) {
    let presses = lines(&read_all(home, "__sosstack_probe", &["-o", "json"]));
    assert!(presses.iter().any(|press| press.contains("sosstack/probe/press")), "{presses:?}");
    assert_eq!(lines(&read_all(home, "emergency.created", &[])), [""; 0]);
}

fn a_press_is_one_emergency(home: &Home) {
    home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2"]);
    let emergencies = || lines(&read_all(home, "emergency.created", &[]));
    eventually("the press is an emergency", PATIENCE, || !emergencies().is_empty());
    assert_eq!(emergencies().len(), 1);
}

fn every_command_knows_them(home: &Home) {
    let (now, code) = status(home);
    assert!(code == Some(0) && now["bridge"]["healthy"] == true, "{now:#}");
    assert_eq!(now["bridge"]["degraded"].as_array().unwrap().len(), 0, "{now:#}");
    assert!(now["bridge"]["journal"]["limit_bytes"].as_u64() > Some(0), "{now:#}");
    // The press had no position: it became a dead letter besides, and that one goes its own way.
    let empty = "Bridge · active, with a standby · 0 messages in the journal";
    eventually("the journal is empty", PATIENCE, || home.ok(&["status"]).contains(empty));
    let good = found(home, "bridge", "good");
    assert!(good["words"].as_str().unwrap().contains("is its standby"), "{good}");
    let doctor = home.ok(&["doctor"]);
    assert!(doctor.contains("a press of the probe got to Kafka in "), "{doctor}");
    let list = home.json(&["list"]);
    let ours = list.as_array().unwrap().iter().find(|entry| entry["stack"] == home.stack.as_str()).unwrap();
    assert_eq!((&ours["bridges"], &ours["state"]), (&2.into(), &"up".into()), "{ours}");
    what_they_write_is_read_with_the_rest(home);

    a_log_stays_small(home);

    let before = both(home);
    let again = up(home, &[]);
    assert!(again.code == Some(0) && again.stderr.contains("was already up"), "{again:?}");
    assert!(!again.stderr.contains("Starting bridges"), "{again:?}");
    assert_eq!(both(home), before, "they are left be");
}

fn what_they_write_is_read_with_the_rest(home: &Home) {
    let read = |words: &[&str]| -> Vec<Value> {
        let text = home.ok(&[&["logs", "--output", "json"], words].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [(active, _), (standby, _)] = both(home);
    let of_active = read(&[&active]);
    assert!(of_active.iter().all(|line| line["service"] == active.as_str()), "{of_active:?}");
    assert!(of_active.iter().any(|line| line["text"].as_str().unwrap().starts_with("subscribed; ")), "{of_active:?}");
    let of_standby = read(&[&standby]);
    assert!(of_standby.iter().any(|line| line["text"].as_str().unwrap().starts_with("standby: ")), "{of_standby:?}");
    let all = read(&["mosquitto", "bridge"]);
    let times: Vec<Timestamp> = all.iter().filter_map(|line| line["time"].as_str()?.parse().ok()).collect();
    assert!(times.is_sorted() && all.iter().any(|line| line["service"] == "mosquitto"), "{all:?}");
}

/// However many dead letters it tells of while it runs.
fn a_log_stays_small(home: &Home) {
    let log = home.stack_dir().join("bridges/bridge-0/console.log");
    let mut file = std::fs::File::options().append(true).open(&log).unwrap();
    file.write_all("a line\n".repeat(1_600_000).as_bytes()).unwrap();
    eventually("it is cut back", PATIENCE, || std::fs::metadata(&log).unwrap().len() < 10 << 20);
}

fn the_standby_delivers_when_the_active_one_is_killed(home: &Home) {
    let [(active, pid), (standby, waiting)] = both(home);
    send_signal(pid, Signal::KILL);
    let (killed, at) = (Instant::now(), Timestamp::now());
    home.ok(&["pub", "geofence/user-1001/exit", r#"{"after":"the kill"}"#, "--qos", "1"]);
    let mut taken = None;
    eventually("the other one delivers", PATIENCE, || {
        let records = read_all(home, "location.geofence", &["-o", "json"]);
        let records = lines(&records).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        let ours = records.into_iter().find(|record| record["value"]["after"] == "the kill");
        taken = ours.map(|record| record["time"].as_str().unwrap().parse::<Timestamp>().unwrap());
        taken.is_some()
    });
    let gap = taken.unwrap().duration_since(at);
    println!(
        "{active} was killed; {standby} had the message after {gap:#}, and it was read after {:?}",
        killed.elapsed()
    );
    assert!(gap.unsigned_abs() < TAKEOVER, "{gap:#}");

    let is_active = || those(home, "active, connected") == [(standby.clone(), waiting)];
    eventually("it says that it is the active one", PATIENCE, is_active);
    let (now, code) = status(home);
    assert_eq!(
        (code, &now["bridge"]["healthy"], &now["bridge"]["degraded"][0]),
        (Some(0), &true.into(), &"no standby".into())
    );
    let finding = found(home, "bridge", "warning");
    assert_eq!(finding["remedy"], format!("sosstack up --stack {}", home.stack));
    let healed = up(home, &[]);
    assert!(healed.code == Some(0) && healed.stderr.contains("Starting bridges"), "{healed:?}");
    let [now_active, (now_standby, _)] = both(home);
    assert_eq!((now_active, now_standby), ((standby, waiting), active), "only the one that had ended was started");
}

fn other_routes_replace_them(home: &Home) {
    let before = both(home);
    let routes = home.path().join("routes.yaml");
    std::fs::write(&routes, "routes: [{name: vip, filter: device/device-12345/alert, topic: audit.access, key: vip}]")
        .unwrap();
    let changed = up(home, &["--bridge-routes", "routes.yaml"]);
    assert!(changed.code == Some(0), "{changed:?}");
    let after = both(home);
    assert!(before.iter().all(|(_, pid)| after.iter().all(|(_, other)| pid != other)), "{before:?} {after:?}");
    home.ok(&["pub", "device/device-12345/alert", r#"{"by":"route"}"#, "--qos", "2"]);
    eventually("the new route takes it", PATIENCE, || {
        lines(&read_all(home, "audit.access", &[])).iter().any(|line| line.contains("by"))
    });
    // Remembered; and that the file has changed is noticed.
    std::fs::write(&routes, "routes: [{name: vip, filter: device/device-12345/alert, topic: audit.changes, key: vip}]")
        .unwrap();
    assert!(found(home, "bridge", "warning")["words"].as_str().unwrap().contains("changed"));
    assert_eq!(up(home, &[]).code, Some(0));
    assert!(both(home) != after, "they read it again");
    found(home, "bridge", "good");
}

/// Until it is taken back, each for itself.
fn what_they_do_besides_is_remembered(home: &Home) {
    let options = || {
        let [one, other] = running(home).try_into().unwrap_or_else(|all| panic!("{all:?}"));
        let has = |line: &str| ["--probe 1000ms", "--emergency-status"].map(|option| line.contains(option));
        assert_eq!(has(&one), has(&other));
        has(&one)
    };
    assert_eq!(up(home, &["--bridge-probe", "1s", "--bridge-emergency-status"]).code, Some(0));
    assert_eq!(options(), [true; 2]);
    let [(active, _), _] = both(home);
    eventually("they press", PATIENCE, || probes_delivered(home, &active) > 1.0);
    let records = lines(&read_all(home, "emergency.created", &[])).len();
    home.ok(&["stop", "bridge"]);
    home.ok(&["start", "bridge"]);
    assert_eq!(options(), [true; 2]);
    assert_eq!(up(home, &["--no-bridge-probe"]).code, Some(0));
    assert_eq!(options(), [false, true]);
    assert_eq!(up(home, &["--no-bridge-emergency-status"]).code, Some(0));
    assert_eq!(options(), [false; 2]);
    assert_eq!(lines(&read_all(home, "emergency.created", &[])).len(), records, "nobody is alarmed");
    both(home);
}

/// How many presses of its own a bridge has seen in Kafka.
fn probes_delivered(home: &Home, bridge: &str) -> f64 {
    let port = 9111 + home.offset + u16::from(bridge == "bridge-1");
    metric(&format!("127.0.0.1:{port}"), "probe_seconds_count")
}

fn they_stop_and_start(home: &Home) {
    let before = both(home);
    home.ok(&["stop", "mosquitto"]);
    assert_eq!(running(home).len(), 2, "they wait for it");
    eventually("that nothing is brought is said", PATIENCE, || status(home).0["bridge"]["healthy"] == false);
    home.ok(&["start", "mosquitto"]);
    eventually("the session is taken up again", PATIENCE, || status(home).0["bridge"]["healthy"] == true);
    assert_eq!(both(home), before);

    let [(active, _), (standby, pid)] = before;
    home.ok(&["restart", &active]);
    assert_eq!(both(home)[0], (standby, pid), "the other one has taken over");

    let stopped = home.json(&["stop"]);
    assert!(stopped["stopped"].as_array().unwrap().contains(&"bridge-1".into()), "{stopped}");
    assert_eq!(running(home), [""; 0]);
    assert_eq!(status(home).0["bridge"]["processes"][0]["state"], "stopped");
    home.ok(&["start"]);
    both(home);
}

fn both_killed_is_unhealthy_and_heals(home: &Home) {
    for (_, pid) in both(home) {
        send_signal(pid, Signal::KILL);
    }
    eventually("they have ended", PATIENCE, || running(home).is_empty());
    let (now, code) = status(home);
    assert!(code == Some(1) && now["healthy"] == false && now["bridge"]["healthy"] == false, "{now:#}");
    let bad = found(home, "bridge", "bad");
    assert!(bad["words"].as_str().unwrap().contains("bridge-0: it has ended"), "{bad}");
    one_that_cannot_start_is_shown_with_its_last_words(home);
    assert_eq!(up(home, &[]).code, Some(0));
    both(home);
}

fn one_that_cannot_start_is_shown_with_its_last_words(home: &Home) {
    let session = home.stack_dir().join("bridge/session.json");
    let kept = std::fs::read(&session).unwrap();
    std::fs::write(&session, "no session").unwrap();
    let failed = up(home, &[]);
    assert!(failed.code == Some(4) && failed.stderr.contains("session.json is damaged"), "{failed:?}");
    assert!(failed.stderr.contains("try: sosstack logs bridge-"), "{failed:?}");
    std::fs::write(&session, kept).unwrap();
}

/// On a disk of its own: by default the journal may take a tenth of what is free.
fn a_journal_that_fills_is_told(home: &Home) {
    let journal = home.stack_dir().join("bridge");
    assert_eq!(up(home, &["--no-bridge"]).code, Some(0));
    let Some(disk) = SmallDisk::mount(&journal, "64M") else {
        println!("SKIPPED: only root may mount a small disk");
        return;
    };
    bridged(home);
    home.ok(&["stop", "kafka"]);
    let line = format!("{{\"filler\":\"{}\"}}\n", "x".repeat(1_000));
    let publish = |qos: &str, count: usize| {
        let arguments = ["pub", "geofence/user-1001/enter", "--lines", "--qos", qos];
        assert_eq!(feed(home, &arguments, line.repeat(count).as_bytes()).code, Some(0));
    };
    let says = |words: &str| {
        let degraded = status(home).0["bridge"]["degraded"].clone();
        degraded.as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains(words))
    };
    let in_journal = |what: &str| status(home).0["bridge"]["journal"][what].as_u64().unwrap();
    publish("1", 100);
    eventually("they wait in the journal", PATIENCE, || in_journal("messages") == 100);
    let most = in_journal("limit_bytes") * 100 / in_journal("bytes");
    publish("1", usize::try_from(most * 85 / 100).unwrap() - 100);
    eventually("status says that the journal is nearly full", PATIENCE, || says("% full"));
    assert!(found(home, "bridge", "warning")["words"].as_str().unwrap().contains("% full"));
    publish("0", 10);
    eventually("status says what is dropped", PATIENCE, || says("10 messages dropped"));
    home.ok(&["start", "kafka"]);
    eventually("there is room again", PATIENCE, || !says("% full"));
    assert_eq!(up(home, &["--no-bridge"]).code, Some(0));
    drop(disk);
    bridged(home);
}

fn they_are_taken_away(home: &Home) {
    let away = up(home, &["--no-bridge"]);
    assert!(away.code == Some(0) && away.stderr.contains("Stopping bridges"), "{away:?}");
    assert_eq!((running(home), status(home).0["bridge"].clone()), (Vec::new(), Value::Null));
    assert!(home.run(&["logs", "bridge"]).stderr.contains("this stack has no service \"bridge\""));
    // Interrupted, it leaves a stack that ran as it was, and does not remember what it was asked for.
    let interrupted = interrupt(home, &["--bridge"], Signal::INT, "Starting bridges");
    assert_eq!((interrupted.code, running(home)), (Some(130), Vec::new()), "{interrupted:?}");
    assert_eq!(up(home, &[]).code, Some(0));
    assert!(running(home).is_empty() && status(home).0["healthy"] == true, "it is remembered");
    bridged(home);
}

fn they_end_before_the_brokers(home: &Home) {
    both(home);
    let down = home.run(&["down", "--volumes", "--yes"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    let place = |words: &str| down.stderr.find(words).unwrap_or_else(|| panic!("{words}: {down:?}"));
    assert!(place("Stopping bridges") < place("Stopping services"), "{down:?}");
    home.assert_nothing_left();
}
