//! Where output goes, in which form, and what is said when there is no stack.

use serde_json::Value;

use crate::machine::Machine;

#[test]
fn a_stack_that_does_not_run_is_told_with_the_command_that_starts_it() {
    let machine = Machine::bare();
    let commands: [&[&str]; 9] = [
        &["status"],
        &["env"],
        &["logs"],
        &["stop"],
        &["topic", "list"],
        &["seed"],
        &["pub", "emergency.created", "{}"],
        &["sub", "emergency.created"],
        &["device", "list"],
    ];
    for command in commands {
        let finished = machine.run(command);
        assert_eq!(finished.code, Some(1), "{command:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{command:?}");
        assert_eq!(finished.stderr, "error: stack sos is not running\ntry: sosstack up\n", "{command:?}");
    }
    let other = machine.run(&["status", "--stack", "demo"]);
    assert_eq!(other.stderr, "error: stack demo is not running\ntry: sosstack up --stack demo\n");
}

#[test]
fn errors_are_json_where_json_is_wanted() {
    let finished = Machine::bare().run(&["status", "--output", "json"]);
    let error: Value = serde_json::from_str(&finished.stderr).unwrap();
    assert_eq!(error["error"]["code"], "not_running");
    assert_eq!(error["error"]["remedy"], "sosstack up");
    let machine = Machine::bare().with_file("sosstack.yaml", "kafka: {brokers: 2}\nname: Sos\n");
    let finished = machine.run(&["up", "--output", "json"]);
    let error: Value = serde_json::from_str(&finished.stderr).unwrap();
    assert_eq!(error["error"]["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn a_machine_without_stacks_has_nothing_to_list_or_to_remove() {
    let machine = Machine::bare();
    let listed = machine.run(&["list"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), ""));
    assert!(listed.stderr.ends_with("No stacks on this machine. To create one: sosstack up\n"), "{listed:?}");
    let left_out = "stacks in Docker are not listed: no Docker daemon answers at unix://~/docker.sock";
    assert!(listed.stderr.contains(left_out), "a daemon that is named may have some: {listed:?}");
    assert_eq!(machine.run(&["list", "--output", "json"]).stdout, "[]\n");
    let down = machine.run(&["down"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    assert_eq!(down.stderr, "Stack sos does not exist; nothing to do.\n");
    assert_eq!(machine.run(&["down", "--quiet"]).stderr, "");
}

#[test]
fn the_effective_stack_is_a_stack_file_that_makes_the_same_stack() {
    let machine = Machine::bare().with_file("sosstack.yaml", "kafka: {heap: 1G}\ntopics: [{name: orders.new}]\n");
    let first = machine.run(&["config"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("heap: 1024M") && first.stdout.contains("name: orders.new"));
    let machine = machine.with_file("sosstack.yaml", &first.stdout);
    assert_eq!(machine.run(&["config"]).stdout, first.stdout);
    let schema: Value = serde_json::from_str(&machine.run(&["config", "--schema"]).stdout).unwrap();
    assert!(schema["properties"]["kafka"].is_object(), "{schema:#}");
}

/// The archive's name is not a stack file's.
#[test]
fn an_archive_of_images_is_not_taken_for_the_stack_file() {
    for command in [&["images", "save", "images.tar"][..], &["images", "load", "images.tar"]] {
        let finished = Machine::bare().run(command);
        assert_eq!(finished.code, Some(3), "{finished:?}");
        assert!(finished.stderr.contains("no Docker daemon answers"), "{finished:?}");
    }
}

/// `sosstack config | head -1`: whoever read enough may go.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let machine = Machine::bare();
    let mut child = machine.command(&["config"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
