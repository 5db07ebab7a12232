//! Whose it is: nothing touches what belongs to another user, home or cluster.

use std::fs;

use crate::harness::{Finished, Home, On};

/// Logins are a stack's for life: who does not have them is told so, and gets new ones only by asking for it.
pub fn logins_are_not_silently_replaced(home: &Home) {
    let accounts = home.stack_dir().join("accounts.json");
    let away = home.path().join("accounts.json");
    fs::rename(&accounts, &away).unwrap();
    let commands: [&[&str]; 10] = [
        &["up"],
        &["seed"],
        &["device", "add", "intruder-1"],
        &["device", "list"],
        &["start"],
        &["restart", "mosquitto"],
        &["status"],
        &["env"],
        &["pub", "device/intruder-1/command", "{}"],
        &["export", "secrets", "--out", "-"],
    ];
    for command in commands {
        is_refused(&home.run(command), home, command);
        assert!(!accounts.exists(), "{command:?} made new logins");
    }
    fs::rename(&away, &accounts).unwrap();
    assert_eq!(home.json(&["status"])["healthy"], true, "nothing was changed");
    if home.on == On::Docker {
        another_home_is_told_so(home);
    }

    let before = home.environment()["MQTT_PASSWORD"].clone();
    fs::remove_file(&accounts).unwrap();
    home.ok(&["up", "--replace-credentials"]);
    assert_ne!(home.environment()["MQTT_PASSWORD"], before);
    home.ok(&["pub", "device/device-12345/command", "{}", "--qos", "1"]);
}

fn another_home_is_told_so(home: &Home) {
    let elsewhere = home.path().join("elsewhere");
    for command in [&["up"][..], &["up", "--runtime", "docker"], &["export", "secrets", "--out", "-"]] {
        let refused = Finished::from(home.command(command).env("XDG_DATA_HOME", &elsewhere).output().unwrap());
        is_refused(&refused, home, command);
        let left: Vec<_> = crate::harness::walk(&elsewhere.join("sosstack/stacks").join(&home.stack));
        assert!(left.is_empty(), "{command:?} left {left:?}");
    }
    for command in [&["stop"][..], &["down"], &["down", "--volumes", "--yes"]] {
        let refused = Finished::from(home.command(command).env("XDG_DATA_HOME", &elsewhere).output().unwrap());
        is_not_mine(&refused, home, command);
    }
    home.ok(&["pub", "device/device-12345/command", "{}", "--qos", "1"]);

    let mut replace = home.command(&["up", "--runtime", "docker", "--replace-credentials"]);
    let replaced = Finished::from(replace.env("XDG_DATA_HOME", &elsewhere).output().unwrap());
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    for command in [&["up"][..], &["seed"], &["device", "rotate", "device-12345"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, Some(1), "{command:?} took them back: {refused:?}");
        assert!(refused.stderr.contains("was given other credentials"), "{command:?}: {refused:?}");
    }
    home.ok(&["up", "--replace-credentials"]);
    home.ok(&["pub", "device/device-12345/command", "{}", "--qos", "1"]);
}

fn is_not_mine(refused: &Finished, home: &Home, command: &[&str]) {
    assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
    assert!(refused.stderr.contains(&format!("stack {} was not made from ", home.stack)), "{command:?}: {refused:?}");
    let remedy = format!("sosstack down --not-mine --stack {}", home.stack);
    assert!(refused.stderr.contains(&remedy), "{command:?}: {refused:?}");
}

fn is_refused(refused: &Finished, home: &Home, command: &[&str]) {
    assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
    let cause = format!("stack {} exists, but its credentials are not in ", home.stack);
    assert!(refused.stderr.contains(&cause), "{command:?}: {refused:?}");
    let remedy = format!("sosstack up --replace-credentials --stack {}", home.stack);
    assert!(refused.stderr.contains(&remedy), "{command:?}: {refused:?}");
}

/// They are the only copy: another password would lock a whole fleet out.
#[test]
fn exported_logins_outlast_prune() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 0);
    let stacks = home.path().join("data/sosstack/stacks");
    let exported = home.ok(&["export", "secrets", "--out", "-"]);
    fs::create_dir(stacks.join("leavings")).unwrap();
    fs::write(stacks.join("leavings/stack.json"), "{}").unwrap();
    fs::write(stacks.join("gone.lock"), "").unwrap();
    let busy = fs::File::create(stacks.join("pulling.lock")).unwrap();
    busy.lock().unwrap();

    let prune = |arguments: &[&str]| {
        let mut command = home.command(&[&["prune"], arguments].concat());
        let pruned = Finished::from(command.env("XDG_CACHE_HOME", home.path().join("cache")).output().unwrap());
        assert_eq!(pruned.code, Some(0), "{pruned:?}");
        pruned
    };
    let pruned = prune(&["--yes"]);
    assert!(pruned.stderr.contains("which were exported to a cluster"), "{pruned:?}");
    assert!(!stacks.join("leavings").exists() && !stacks.join("gone.lock").exists(), "{pruned:?}");
    assert!(stacks.join("pulling.lock").exists(), "somebody works on it: {pruned:?}");
    drop(busy);
    prune(&["--yes"]);
    assert!(!stacks.join("pulling.lock").exists());
    assert_eq!(home.ok(&["export", "secrets", "--out", "-"]), exported, "the very same passwords");
}

/// A stack that this user cannot have made is not this user's to remove, and one of another daemon is not gone.
#[test]
fn a_stack_of_others_is_left_alone() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 0);
    let volume = format!("sosstack-{}-kafka-0-data", home.stack);
    let label = format!("sosstack.stack={}", home.stack);
    let labels = ["--label", label.as_str(), "--label", "sosstack.volume=kafka-0-data"];
    docker(&[&["volume", "create"], &labels[..], &[&volume]].concat());
    let mut command = home.command(&["prune", "--yes"]);
    let pruned = Finished::from(command.env("XDG_CACHE_HOME", home.path().join("cache")).output().unwrap());
    assert_eq!(pruned.code, Some(0), "{pruned:?}");
    let remedy = format!("sosstack down --volumes --not-mine --stack {}", home.stack);
    assert!(pruned.stderr.contains("it may be another user's") && pruned.stderr.contains(&remedy), "{pruned:?}");
    let command = ["down", "--volumes", "--yes"];
    is_not_mine(&home.run(&command), &home, &command);
    docker(&["volume", "inspect", &volume]);
    home.ok(&[&command[..], &["--not-mine"]].concat());

    fs::create_dir_all(home.stack_dir()).unwrap();
    fs::write(home.stack_dir().join("stack.json"), r#"{"runtime": "docker", "daemon": "another"}"#).unwrap();
    for command in [&["up"][..], &["status"], &["down", "--volumes", "--yes"]] {
        let refused = home.run(command);
        assert_eq!(refused.code, Some(3), "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("was made on another Docker daemon"), "{command:?}: {refused:?}");
    }
    home.ok(&["prune", "--yes"]);
    assert!(home.stack_dir().exists());
    fs::remove_dir_all(home.stack_dir()).unwrap();
}

fn docker(arguments: &[&str]) {
    let output = std::process::Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
}
