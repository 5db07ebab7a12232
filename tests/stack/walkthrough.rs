//! The walk-throughs of docs/clients.md and README.md, as they are written.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Home, eventually};
use crate::messages::{PATIENCE, Running};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients.md");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// On topics that nobody has written to yet.
pub fn the_walk_through_works_as_written(home: &Home) {
    let blocks = blocks(CLIENTS, "Five minutes");
    assert_eq!(blocks.len(), 7, "each is checked below");
    let run = |block: &String| run(home, block);
    run(&blocks[0]);
    assert_eq!(run(&blocks[1]).lines().count(), 4, "the newest messages");
    let culprits = run(&blocks[2]);
    assert_eq!(culprits.lines().count(), 2, "{culprits}");
    assert!(culprits.lines().all(|line| line.contains("  test-rig-7  load-test  ")), "{culprits}");
    let since = run(&blocks[3]);
    assert!(since.lines().count() == 2 && since.lines().last().unwrap().trim() == "2", "{since}");
    assert_eq!(run(&blocks[4]), "", "nothing comes any more");
    let good = run(&blocks[5]);
    let mut good: Vec<&str> = good.lines().collect();
    good.sort_unstable();
    assert_eq!(good, ["device-12345 BUTTON", "device-12345 FALL"]);
    assert!(run(&blocks[6]).contains("PARTITION"));
}

/// On a stack with bridges, whose routes are others afterwards.
pub fn the_bridges_five_minutes_work_as_written(home: &Home) {
    let blocks = blocks(README, "Five minutes with the bridge");
    let [up, simulated, service, traced, poisoned, listed, mended, read] =
        blocks.try_into().unwrap_or_else(|blocks: Vec<String>| panic!("{blocks:?}"));
    run(home, &up);
    let verdict = run(home, &simulated);
    assert!(verdict.contains("  LOST  DUPLICATED  "), "{verdict}");
    let arguments: Vec<&str> = service.trim().strip_prefix("sosstack ").unwrap().split(' ').collect();
    let service = Running::start(home, &arguments);
    eventually("the service has read what there is", PATIENCE, || {
        let group = home.run(&["group", "describe", "dispatch", "--output", "json"]).stdout;
        serde_json::from_str::<serde_json::Value>(&group).is_ok_and(|group| group["lag"] == 0)
    });
    let trace = run(home, &traced);
    assert!(trace.contains("committed by dispatch "), "{trace}");
    drop(service);
    run(home, &poisoned);
    let mut letters = String::new();
    eventually("the dead letter is there", PATIENCE, || {
        letters = run(home, &listed);
        letters.contains("device/device-12345/telemetry")
    });
    assert!(letters.contains(r#"jq: "cannot parse \"80 %\" as JSON"#), "{letters}");
    run(home, &mended);
    assert_eq!(run(home, &read), "{\"battery\":80}\n");
}

/// The shell's part of a section.
fn blocks(file: &str, heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// What a block prints on stdout.
fn run(home: &Home, block: &str) -> String {
    let mut command = home.command(&[]);
    let path = Path::new(command.get_program()).parent().unwrap().display().to_string();
    let environment: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    command = Command::new("bash");
    let output = command
        .args(["-euo", "pipefail", "-c", block])
        .envs(environment)
        .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{block}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
