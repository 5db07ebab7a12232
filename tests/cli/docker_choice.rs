//! Which Docker daemon: the one that the user named, or none; never silently another one.

use crate::machine::{Finished, Machine, finish};

/// A machine whose docker command knows the contexts `staging`, at a socket on which nobody listens, and `far`.
fn with_contexts() -> Machine {
    let machine = Machine::bare();
    for (id, name, host) in [
        ("0f1e", "staging", format!("unix://{}", machine.socket().display())),
        ("2d3c", "far", "tcp://192.0.2.7:2376".to_owned()),
    ] {
        let dir = machine.path().join(".docker/contexts/meta").join(id);
        std::fs::create_dir_all(&dir).unwrap();
        let meta = format!(r#"{{"Name": "{name}", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#);
        std::fs::write(dir.join("meta.json"), meta).unwrap();
    }
    machine
}

fn run(machine: &Machine, environment: (&str, &str), arguments: &[&str]) -> Finished {
    let mut command = machine.command(arguments);
    finish(command.env_remove("DOCKER_HOST").env(environment.0, environment.1), machine.path())
}

#[test]
fn a_context_that_is_not_there_is_refused_by_every_command() {
    let machine = with_contexts();
    for arguments in [&["list"][..], &["status"], &["prune", "--yes"], &["down", "--volumes", "--yes"], &["up"]] {
        let refused = run(&machine, ("DOCKER_CONTEXT", "stagng"), arguments);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        let words =
            "error: there is no Docker context \"stagng\", which DOCKER_CONTEXT names\ntry: did you mean staging? ";
        assert!(refused.stderr.contains(words), "{arguments:?}: {refused:?}");
    }
    let machine = machine.with_file(".docker/config.json", r#"{"currentContext": "gone"}"#);
    let stale = run(&machine, ("COLUMNS", "100"), &["list"]);
    assert_eq!(stale.code, Some(2), "{stale:?}");
    assert!(stale.stderr.contains("no Docker context \"gone\", which currentContext of the docker"), "{stale:?}");
}

#[test]
fn a_daemon_on_another_machine_is_refused_at_once() {
    let machine = with_contexts();
    for environment in
        [("DOCKER_CONTEXT", "far"), ("DOCKER_HOST", "tcp://192.0.2.7:2375"), ("DOCKER_HOST", "ssh://me@localhost")]
    {
        let refused = run(&machine, environment, &["up", "--runtime", "docker"]);
        assert_eq!(refused.code, Some(3), "{environment:?}: {refused:?}");
        assert!(refused.stderr.contains("is on another machine"), "{environment:?}: {refused:?}");
        assert!(refused.stderr.contains("try: run sosstack on that machine"), "{environment:?}: {refused:?}");
    }
    let listed = run(&machine, ("DOCKER_CONTEXT", "far"), &["list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(
        listed.stderr.contains("stacks in Docker are not listed: the Docker daemon at tcp://192.0.2.7"),
        "{listed:?}"
    );
}

#[test]
fn a_context_of_this_machine_is_taken() {
    let absent = run(&with_contexts(), ("DOCKER_CONTEXT", "staging"), &["up", "--runtime", "docker"]);
    assert_eq!(absent.code, Some(3), "{absent:?}");
    let words = "no Docker daemon answers at unix://~/docker.sock, which Docker's context staging names";
    assert!(absent.stderr.contains(words), "{absent:?}");
}
