//! What concerns Docker alone: a daemon that goes away and comes back, images that travel.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Finished, Home, On};

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

/// The login of `docker login` reaches the registry, from the settings and by a credential helper.
#[test]
fn pulls_take_the_login_of_the_docker_command() {
    if !On::Docker.is_here() {
        return;
    }
    let home = Home::new(On::Docker, 0);
    let registry = Registry::start();
    let image = format!("{}/private/kafka:1", registry.address);
    home.write_stack_file(&format!("kafka: {{image: \"{image}\"}}"));
    let settings = home.path().join("docker");
    fs::create_dir(&settings).unwrap();
    // me:secret
    let auths = format!(r#"{{"auths": {{"{}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#, registry.address);
    let helpers = format!(r#"{{"credHelpers": {{"{}": "fake"}}}}"#, registry.address);
    let helper = home.path().join("docker-credential-fake");
    fs::write(&helper, "#!/bin/sh\necho '{\"Username\": \"me\", \"Secret\": \"secret\"}'\n").unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
    for (config, wanted) in [("{}", false), (auths.as_str(), true), (helpers.as_str(), true)] {
        fs::write(settings.join("config.json"), config).unwrap();
        let mut command = home.command(&["images", "save", "images.tar"]);
        command.env("DOCKER_CONFIG", &settings).env("PATH", &path);
        let failed = Finished::from(command.output().unwrap());
        assert_eq!(failed.code, Some(3), "the registry has no image: {failed:?}");
        assert!(!failed.stderr.contains("secret"), "{failed:?}");
        assert_eq!(registry.was_logged_in(), wanted, "{config}: {failed:?}");
    }
}

/// A registry that wants a login and has no image.
struct Registry {
    address: String,
    logged_in: Arc<AtomicBool>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let logged_in = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&logged_in);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let _ = Self::answer(connection.unwrap(), &seen);
            }
        });
        Self { address, logged_in }
    }

    fn answer(mut connection: TcpStream, logged_in: &AtomicBool) -> std::io::Result<()> {
        let mut request = BufReader::new(connection.try_clone()?);
        let mut head = String::new();
        // Docker tries TLS first, which is not text.
        while request.read_line(&mut head)? > 0 && !head.ends_with("\r\n\r\n") {}
        let is_logged_in = head.contains("Authorization: Basic bWU6c2VjcmV0");
        logged_in.fetch_or(is_logged_in, Ordering::SeqCst);
        let status = if is_logged_in { "404 Not Found" } else { "401 Unauthorized" };
        let ask = "WWW-Authenticate: Basic realm=\"private\"\r\nDocker-Distribution-Api-Version: registry/2.0";
        write!(connection, "HTTP/1.1 {status}\r\n{ask}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    }

    /// Whether somebody logged in since the last time.
    fn was_logged_in(&self) -> bool {
        self.logged_in.swap(false, Ordering::SeqCst)
    }
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
