//! What breaks is said, and heals: parts that were killed or removed by hand, data that is gone, a stack of the future.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Home, On, eventually, send_signal};
use crate::messages::PATIENCE;

#[test]
fn broken_parts_heal_as_processes() {
    if On::Process.is_here() {
        broken_parts_heal(&Home::new(On::Process, 21_500));
    }
}

#[test]
fn broken_parts_heal_in_docker() {
    if On::Docker.is_here() {
        broken_parts_heal(&Home::new(On::Docker, 22_500));
    }
}

fn broken_parts_heal(home: &Home) {
    home.up();
    home.ok(&["pub", "audit.access", "precious", "-k", "k"]);
    doctor_finds_and_its_remedies_work(home);
    a_lost_node_is_survived_and_said(home);
    what_stands_still_is_named_and_goes_on(home);
    what_was_removed_by_hand_is_made_again(home);
    everything_killed_comes_back(home);
    lost_data_is_a_choice(home);
    data_that_would_not_be_read_is_a_choice(home);
    a_newer_sosstacks_stack_is_left_alone(home);
    if home.on == On::Process {
        processes_are_themselves_whatever_is_written(home);
    }
}

fn doctor_finds_and_its_remedies_work(home: &Home) {
    let healthy = home.json(&["doctor"]);
    assert!(healthy.as_array().unwrap().iter().all(|finding| finding["verdict"] != "bad"), "{healthy:#}");

    home.ok(&["topic", "delete", "audit.changes", "--yes"]);
    let missing = found(home, "topics", "bad");
    assert!(missing["words"].as_str().unwrap().contains("audit.changes"), "{missing}");
    assert_eq!(missing["remedy"], format!("sosstack seed --stack {}", home.stack));
    home.ok(&["seed"]);
    found(home, "topics", "good");

    home.ok(&["stop", "mosquitto"]);
    found(home, "services", "bad");
    let remedy = found(home, "Mosquitto", "bad")["remedy"].as_str().unwrap().to_owned();
    assert_eq!(remedy, format!("sosstack up --stack {}", home.stack));
    home.ok(&["up"]);
    found(home, "Mosquitto", "good");

    let accounts = home.stack_dir().join("accounts.json");
    set_mode(&accounts, 0o644);
    let open = found(home, "secrets", "bad");
    assert_eq!(open["remedy"], format!("chmod 600 {}", accounts.display()));
    set_mode(&accounts, 0o600);

    home.write_stack_file("kafka: {config: {log.retention.hours: 24}}");
    let differs = found(home, "configuration", "warning");
    assert!(differs["words"].as_str().unwrap().contains("kafka-0, kafka-1, kafka-2"), "{differs}");
    std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
    found(home, "configuration", "good");
}

/// The finding about a subject, which must have this verdict.
pub fn found(home: &Home, subject: &str, verdict: &str) -> Value {
    let finished = home.run(&["doctor", "--output", "json"]);
    let findings: Value = serde_json::from_str(&finished.stdout).unwrap();
    let all = findings.as_array().unwrap();
    let bad = all.iter().any(|finding| finding["verdict"] == "bad");
    assert_eq!(finished.code, Some(i32::from(bad)), "{findings:#}");
    let wanted = |finding: &&Value| finding["subject"] == subject && finding["verdict"] == verdict;
    all.iter().find(wanted).unwrap_or_else(|| panic!("no {verdict} finding about {subject}: {findings:#}")).clone()
}

fn a_lost_node_is_survived_and_said(home: &Home) {
    home.ok(&["stop", "zookeeper-0"]);
    home.ok(&["pub", "audit.access", "without a node"]);
    let status = home.run(&["status"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    found(home, "ZooKeeper", "warning");
    home.ok(&["start", "zookeeper-0"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
}

/// A paused container, a process that was sent SIGSTOP.
fn what_stands_still_is_named_and_goes_on(home: &Home) {
    pause(home, "kafka-1", 4);
    pause(home, "mosquitto", 6);
    let status = unhealthy(home);
    for (index, service) in [(4, "kafka-1"), (6, "mosquitto")] {
        let row = &status["services"][index];
        assert_eq!(
            (&row["service"], &row["state"], &row["healthy"]),
            (&service.into(), &"paused".into(), &false.into())
        );
    }
    let paused = found(home, "services", "bad");
    assert!(paused["words"].as_str().unwrap().ends_with("kafka-1, mosquitto"), "{paused}");
    assert_eq!(paused["remedy"], format!("sosstack up --stack {}", home.stack));
    what_a_resumed_broker_remembers_is_not_believed(home);
    pause(home, "kafka-1", 4);
    pause(home, "mosquitto", 6);
    let resumed = home.run(&["up"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert!(resumed.stderr.contains("kafka-1 was paused; it has been resumed"), "{resumed:?}");
    assert_eq!(home.json(&["status"])["healthy"], true);

    pause(home, "mosquitto", 6);
    home.ok(&["stop", "mosquitto"]);
    assert_eq!(unhealthy(home)["services"][6]["state"], "stopped");
    home.ok(&["start", "mosquitto"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
}

/// Out of its session, it is not in the cluster any more; until it hears of that, it says that all is as it was.
fn what_a_resumed_broker_remembers_is_not_believed(home: &Home) {
    let now = || -> Value { serde_json::from_str(&home.run(&["status", "--output", "json"]).stdout).unwrap() };
    eventually("the session of kafka-1 has ended", PATIENCE, || now()["kafka"]["brokers"] == 2);
    resume(home, "mosquitto", 6);
    resume(home, "kafka-1", 4);
    let mut it_was_said = false;
    eventually("kafka-1 is back", PATIENCE, || {
        let now = &now;
        // Several at once: each happens upon a broker of its own choice.
        let said: Vec<Value> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(now)).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let sound = said.iter().filter(|status| status["healthy"] == true).count();
        assert!(!it_was_said || sound == said.len(), "it was said to be healthy already: {said:#?}");
        it_was_said = sound > 0;
        sound == said.len()
    });
}

fn pause(home: &Home, service: &str, index: usize) {
    match home.on {
        On::Docker => docker(&["pause", &format!("sosstack-{}-{service}", home.stack)]),
        On::Process => send_signal(handle(home, index), Signal::STOP),
    }
}

fn resume(home: &Home, service: &str, index: usize) {
    match home.on {
        On::Docker => docker(&["unpause", &format!("sosstack-{}-{service}", home.stack)]),
        On::Process => send_signal(handle(home, index), Signal::CONT),
    }
}

fn unhealthy(home: &Home) -> Value {
    let finished = home.run(&["status", "--output", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let status: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(status["healthy"], false, "{status:#}");
    status
}

fn what_was_removed_by_hand_is_made_again(home: &Home) {
    for (index, service) in [(5, "kafka-2"), (6, "mosquitto")] {
        match home.on {
            On::Docker => docker(&["rm", "--force", &format!("sosstack-{}-{service}", home.stack)]),
            On::Process => {
                send_signal(handle(home, index), Signal::KILL);
                std::fs::remove_dir_all(home.stack_dir().join("services").join(service)).unwrap();
            }
        }
    }
    let status = unhealthy(home);
    let states: Vec<_> = status["services"].as_array().unwrap().iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states[4..], ["running", "missing", "missing"], "{status:#}");
    let found = home.run(&["doctor"]).stdout;
    assert!(found.contains("brokers are registered") && !found.contains("are in sync"), "{found}");
    home.ok(&["up"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
}

/// As after the machine was switched off.
fn everything_killed_comes_back(home: &Home) {
    match home.on {
        On::Docker => {
            let names = ["zookeeper-0", "zookeeper-1", "zookeeper-2", "kafka-0", "kafka-1", "kafka-2", "mosquitto"];
            let names: Vec<String> = names.iter().map(|name| format!("sosstack-{}-{name}", home.stack)).collect();
            docker(
                &[&["kill", "--signal", "KILL"], names.iter().map(String::as_str).collect::<Vec<_>>().as_slice()]
                    .concat(),
            );
        }
        On::Process => {
            let pids: Vec<u32> = (0..7).map(|index| handle(home, index)).collect();
            for pid in pids {
                send_signal(pid, Signal::KILL);
            }
        }
    }
    home.ok(&["up"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
    let read = home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert!(read.contains("precious\n") && read.contains("without a node\n"), "{read}");
}

fn lost_data_is_a_choice(home: &Home) {
    leave_alone_in_sync(home, 1);
    home.ok(&["down"]);
    match home.on {
        On::Docker => docker(&["volume", "rm", &format!("sosstack-{}-kafka-1-data", home.stack)]),
        On::Process => std::fs::remove_dir_all(home.stack_dir().join("volumes/kafka-1-data")).unwrap(),
    }
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("was removed by hand: kafka-1-data"), "{refused:?}");
    let advised = format!("--accept-data-loss --stack {} (the brokers copy", home.stack);
    assert!(refused.stderr.contains(&advised), "{refused:?}");
    killed_while_others_are_made_to_lead(home);
    home.ok(&["up", "--accept-data-loss"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
    let memo = std::fs::read_to_string(home.stack_dir().join("stack.json")).unwrap();
    assert!(!memo.contains("unclean"), "{memo}");
    let described = home.ok(&["topic", "describe", "audit.access"]);
    assert!(!described.contains("unclean"), "{described}");
    let read = home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert!(read.contains("precious\n"), "the other replicas had it: {read}");
}

/// Stops the other brokers, so that this one would lead everything when all come back.
fn leave_alone_in_sync(home: &Home, broker: i32) {
    for other in (0..3).filter(|other| *other != broker) {
        home.ok(&["stop", &format!("kafka-{other}")]);
    }
    eventually("one broker alone is in sync", PATIENCE, || {
        let described = home.run(&["topic", "describe", "audit.access", "--output", "json"]);
        let topic: Value = serde_json::from_str(&described.stdout).unwrap_or_default();
        let partitions = topic["detail"].as_array();
        partitions.is_some_and(|all| all.iter().all(|partition| partition["isr"] == serde_json::json!([broker])))
    });
}

/// Killed when its topics may lose messages: what comes next has to know of it.
fn killed_while_others_are_made_to_lead(home: &Home) {
    let memo = home.stack_dir().join("stack.json");
    let mut up = home.spawn(&["up", "--accept-data-loss"]);
    // The moment is short, so no pause between two looks.
    while !std::fs::read_to_string(&memo).unwrap().contains("unclean") {
        assert!(up.try_wait().unwrap().is_none(), "it was over before it was seen");
    }
    send_signal(up.id(), Signal::KILL);
    up.wait().unwrap();
}

fn a_newer_sosstacks_stack_is_left_alone(home: &Home) {
    let undo: Box<dyn FnOnce()> = match home.on {
        On::Docker => {
            let volume = format!("sosstack-{}-of-the-future", home.stack);
            let labels = [format!("sosstack.stack={}", home.stack), "sosstack.format=99".to_owned()];
            docker(&["volume", "create", "--label", &labels[0], "--label", &labels[1], &volume]);
            Box::new(move || docker(&["volume", "rm", &volume]))
        }
        On::Process => {
            let record = home.stack_dir().join("services/kafka-0/instance.json");
            let before = std::fs::read_to_string(&record).unwrap();
            std::fs::write(&record, r#"{"format": 99, "unheard": "of"}"#).unwrap();
            Box::new(move || std::fs::write(&record, before).unwrap())
        }
    };
    for command in [&["up"][..], &["down"], &["down", "--volumes", "--yes"], &["status"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("was made by a newer sosstack (format 99"), "{command:?}: {refused:?}");
    }
    undo();
    assert_eq!(home.json(&["status"])["healthy"], true, "nothing was changed");
}

/// As after a clock step, from an earlier sosstack, from a backup, or without any record: it is the same process.
fn processes_are_themselves_whatever_is_written(home: &Home) {
    let pids: Vec<u32> = (0..7).map(|index| handle(home, index)).collect();
    let healthy_as_before = |when: &str| {
        let status = home.json(&["status"]);
        assert_eq!(status["healthy"], true, "{when}: {status:#}");
        assert_eq!((0..7).map(|index| handle(home, index)).collect::<Vec<_>>(), pids, "{when}");
    };
    rewrite_identities(home, |process| {
        process.remove("birth");
        let began = process["began"].as_u64().unwrap();
        process["began"] = (began + 10).into();
    });
    healthy_as_before("written by an earlier sosstack, before the clock moved");
    home.ok(&["up"]);
    healthy_as_before("what runs is left alone");
    rewrite_identities(home, |process| process["pid"] = std::process::id().into());
    healthy_as_before("the written number is another process's");

    std::fs::remove_dir_all(home.stack_dir().join("services/kafka-2")).unwrap();
    assert_eq!(handle(home, 5), pids[5], "it runs although its record is gone");
    home.ok(&["up"]);
    assert_ne!(handle(home, 5), pids[5], "made anew, as nothing is known of it");
    let read = home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]);
    assert!(read.contains("precious\n"), "{read}");

    rewrite_identities(home, |process| {
        process.insert("birth".to_owned(), serde_json::json!({"boot": "another", "ticks": 1}));
    });
    std::fs::remove_dir_all(home.stack_dir().join("services/kafka-0")).unwrap();
    home.ok(&["down", "--volumes", "--yes"]);
    home.assert_nothing_left();
}

fn rewrite_identities(home: &Home, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    for service in std::fs::read_dir(home.stack_dir().join("services")).unwrap() {
        let file = service.unwrap().path().join("instance.json");
        let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        change(record["process"].as_object_mut().unwrap());
        std::fs::write(&file, record.to_string()).unwrap();
    }
}

fn handle(home: &Home, index: usize) -> u32 {
    let printed = home.run(&["status", "--output", "json"]).stdout;
    let status: Value = serde_json::from_str(&printed).unwrap();
    status["services"][index]["handle"].as_str().unwrap().parse().unwrap()
}

fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
}

/// As if it were a newer Mosquitto's; tests/stack/persistence.rs has the real one.
fn data_that_would_not_be_read_is_a_choice(home: &Home) {
    let file = home.stack_dir().join("stack.json");
    let kept = |home: &Home| {
        let text = std::fs::read_to_string(home.stack_dir().join("stack.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["persistence"].clone()
    };
    assert_eq!(kept(home), "file");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"file\"", "\"sqlite\"")).unwrap();
    home.write_stack_file("mosquitto: {max_keepalive: 120}");
    let handles = |home: &Home| {
        home.json(&["status"])["services"].as_array().unwrap().iter().map(|s| s["handle"].clone()).collect::<Vec<_>>()
    };
    let before = handles(home);
    let refused = home.run(&["up"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let remedy = format!("sosstack up --accept-data-loss --stack {}", home.stack);
    assert!(refused.stderr.contains("queued messages in SQLite") && refused.stderr.contains(&remedy), "{refused:?}");
    assert_eq!((handles(home), kept(home)), (before, Value::from("sqlite")), "nothing was touched");
    home.ok(&["up", "--accept-data-loss"]);
    assert_eq!(kept(home), "file");
    std::fs::remove_file(home.path().join("sosstack.yaml")).unwrap();
    home.ok(&["up"]);
}

fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// The archives of classes are made once in the background, and mapped by the next start.
#[test]
fn the_second_start_maps_an_archive_of_classes() {
    for (on, offset) in [(On::Process, 20_500), (On::Docker, 18_500)] {
        if !on.is_here() {
            continue;
        }
        let home = Home::new(on, offset);
        home.up();
        // Made by an earlier test's stack, or by this one's just now.
        home.ok(&["make-archives"]);
        home.ok(&["down"]);
        home.up();
        let status = home.json(&["status"]);
        assert_eq!(status["healthy"], true);
        let handle = status["services"][3]["handle"].as_str().unwrap().to_owned();
        let command = match on {
            On::Process => std::fs::read_to_string(format!("/proc/{handle}/cmdline")).unwrap().replace('\0', " "),
            On::Docker => {
                let output = Command::new("docker").args(["inspect", "-f", "{{.Config.Entrypoint}}", &handle]).output();
                String::from_utf8(output.unwrap().stdout).unwrap()
            }
        };
        eventually("the broker maps its archive", std::time::Duration::from_secs(1), || {
            command.contains("-XX:SharedArchiveFile=")
        });
    }
}
