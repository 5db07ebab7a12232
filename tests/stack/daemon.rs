//! What concerns Docker alone: a daemon that goes away and comes back, images that travel.

use std::process::Command;

use crate::harness::{Home, On};

/// Where the daemon that `make test` started lies; nobody else's is stopped.
const OWN_DAEMON: &str = "SOSSTACK_TEST_DAEMON";

#[test]
fn a_daemon_restarts_under_a_stack() {
    let Ok(daemon) = std::env::var(OWN_DAEMON) else {
        println!("SKIPPED: {OWN_DAEMON} names no daemon that may be stopped");
        return;
    };
    let home = Home::new(On::Docker, 19_000);
    home.up();
    home.ok(&["pub", "audit.access", "before"]);

    daemon_is_told_to(&daemon, "stop");
    for command in [&["status"][..], &["up"], &["env"], &["pub", "audit.access", "lost"]] {
        let away = home.run(command);
        assert_eq!(away.code, Some(3), "{command:?}: {away:?}");
        assert!(away.stderr.contains(&format!("stack {} is in Docker", home.stack)), "{command:?}: {away:?}");
    }
    daemon_is_told_to(&daemon, "start");

    home.ok(&["up"]);
    assert_eq!(home.json(&["status"])["healthy"], true);
    assert_eq!(home.ok(&["sub", "audit.access", "--from", "beginning", "--until", "now"]), "before\n");
}

fn daemon_is_told_to(daemon: &str, verb: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/docker-daemon");
    let told = Command::new(script).args([verb, daemon]).output().unwrap();
    assert!(told.status.success(), "{verb}: {told:?}");
}

#[test]
fn images_travel_to_a_machine_without_a_registry() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 0);
    let listed = home.json(&["images", "list"]);
    let names: Vec<String> =
        listed.as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect();
    assert!(listed.as_array().unwrap().iter().all(|image| image["present"] == true), "{listed:#}");

    let file = home.path().join("images.tar");
    let saved = home.json(&["images", "save", file.to_str().unwrap()]);
    assert_eq!(saved["bytes"], file.metadata().unwrap().len());

    let away = Away::take(&names);
    let gone = home.json(&["images", "list"]);
    assert!(gone.as_array().unwrap().iter().all(|image| image["present"] == false), "{gone:#}");
    let loaded = home.json(&["images", "load", file.to_str().unwrap()]);
    assert_eq!(loaded["missing"].as_array().unwrap().len(), 0, "{loaded:#}");
    assert_eq!(home.json(&["images", "list"]), listed);
    drop(away);
}

/// Images without their names, which they get back whatever happens.
struct Away<'a>(&'a [String]);

impl<'a> Away<'a> {
    fn take(names: &'a [String]) -> Self {
        for (index, name) in names.iter().enumerate() {
            docker(&["tag", name, &kept(index)]);
            docker(&["rmi", name]);
        }
        Self(names)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        for (index, name) in self.0.iter().enumerate() {
            docker(&["tag", &kept(index), name]);
            docker(&["rmi", &kept(index)]);
        }
    }
}

fn kept(index: usize) -> String {
    format!("sosstack-test/kept:{index}")
}

fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
}
