//! The walk-through of docs/clients.md, as it is written.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::Home;

/// On topics that nobody has written to yet.
pub fn the_walk_through_works_as_written(home: &Home) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Five minutes")).unwrap();
    let blocks: Vec<&str> = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 7, "each is checked below");
    let run = |block: &str| {
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
    };
    run(blocks[0]);
    assert_eq!(run(blocks[1]).lines().count(), 4, "the newest messages");
    let culprits = run(blocks[2]);
    assert_eq!(culprits.lines().count(), 2, "{culprits}");
    assert!(culprits.lines().all(|line| line.contains("  test-rig-7  load-test  ")), "{culprits}");
    let since = run(blocks[3]);
    assert!(since.lines().count() == 2 && since.lines().last().unwrap().trim() == "2", "{since}");
    assert_eq!(run(blocks[4]), "", "nothing comes any more");
    let good = run(blocks[5]);
    let mut good: Vec<&str> = good.lines().collect();
    good.sort_unstable();
    assert_eq!(good, ["device-12345 BUTTON", "device-12345 FALL"]);
    assert!(run(blocks[6]).contains("PARTITION"));
}
