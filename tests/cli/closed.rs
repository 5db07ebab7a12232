//! Ends that nobody reads any more: a closed stdout is success, a closed stderr is not a crash, a broken socket is a failure.

use std::io::PipeWriter;
use std::process::Stdio;

use crate::machine::{Finished, Machine, collect};
use crate::peer::Daemon;

/// Larger than what a socket takes without a reader.
const ARCHIVE: usize = 8 * 1024 * 1024;

/// A pipe whose reader has gone.
fn closed() -> PipeWriter {
    std::io::pipe().unwrap().1
}

fn into_closed_stdout(machine: &Machine, arguments: &[&str]) -> Finished {
    let child = machine.command(arguments).stdout(closed()).stderr(Stdio::piped()).spawn().unwrap();
    collect(child.wait_with_output().unwrap(), machine.path())
}

#[test]
fn whoever_has_read_enough_ends_a_command_well() {
    let machine = Machine::bare();
    assert_eq!(machine.run(&["export", "secrets"]).code, Some(0));
    std::fs::create_dir_all(machine.path().join(".cache/sosstack/classes/0123456789abcdef")).unwrap();
    let commands: [&[&str]; 11] = [
        &["--help"],
        &["up", "--help"],
        &["--version"],
        &["config"],
        &["config", "--schema"],
        &["completions", "bash"],
        &["device", "list"],
        &["device", "list", "--passwords"],
        &["export", "secrets", "--out", "-"],
        &["list", "--output", "json", "--quiet"],
        &["prune", "--dry-run"],
    ];
    for arguments in commands {
        let finished = into_closed_stdout(&machine, arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn without_a_reader_of_stderr_commands_end_as_ever() {
    let machine = Machine::bare();
    for (arguments, code) in [(&["status"][..], 1), (&["down"], 0), (&["no-such-command"], 2), (&["doctor"], 1)] {
        let child = machine.command(arguments).stdout(Stdio::piped()).stderr(closed()).spawn().unwrap();
        let finished = collect(child.wait_with_output().unwrap(), machine.path());
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn a_daemon_that_hangs_up_is_a_failure() {
    let machine = Machine::bare().with_file("images.tar", &"x".repeat(ARCHIVE));
    let _reached = Daemon::HangsUp.listen(&machine);
    let commands: [&[&str]; 4] =
        [&["images", "load", "images.tar"], &["images", "list"], &["list"], &["up", "--runtime", "docker"]];
    // Whether we hear of it while we write or while we read is chance.
    let often = std::iter::repeat_n(commands[0], 8);
    for arguments in commands.into_iter().chain(often) {
        let finished = machine.run(arguments);
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains("error: "), "{arguments:?}: {finished:?}");
    }
}
