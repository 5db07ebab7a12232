//! sosstack's own image: built by the Dockerfile that users get, on stand-in bases, and run as docs/bridge.md says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Finished, Home, On, eventually};
use crate::messages::{PATIENCE, Running, read_all};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// As docs/bridge.md runs it; nothing but a volume can be written.
const HARDENED: [&str; 5] = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
/// From SIGTERM to the end, on a busy machine too. Docker would kill it after 10 s, with another exit code.
const IN_ORDER: Duration = Duration::from_secs(8);

/// Needs a stack that runs in Docker, without bridges.
pub fn the_image_carries_a_bridge(home: &Home) {
    assert_eq!(home.on, On::Docker);
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: a program of this system does not run in a container");
        return;
    }
    let image = Image::build(home);
    it_is_not_root_and_says_what_it_is(&image);
    routes_are_checked_without_network(home, &image);
    without_a_volume_no_bridge_begins(&image);
    one_stops_in_order_and_its_standby_goes_on(home, &image);
}

/// All of it in Docker is named after this stack, and goes with it.
struct Image {
    name: String,
    stack: String,
}

impl Image {
    fn build(home: &Home) -> Self {
        let image = Self { name: format!("sosstack-test/own:{}", home.stack), stack: home.stack.clone() };
        let context = home.path().join("image");
        std::fs::create_dir(&context).unwrap();
        let recipe = Path::new(ROOT).join("tests/images/sosstack");
        for file in ["Dockerfile", "cargo"] {
            std::fs::copy(recipe.join(file), context.join(file)).unwrap();
        }
        std::fs::copy(env!("CARGO_BIN_EXE_sosstack"), context.join("sosstack")).unwrap();
        let mut arguments = image.stand_in(home, &context, "builder");
        // Where registries can be reached, its base is the one that users get.
        if std::env::var_os("SOSSTACK_TEST_STACK_FILE").is_some() {
            arguments += &image.stand_in(home, &context, "base");
        }
        std::fs::remove_dir_all(&context).unwrap();
        let mut make = Command::new("make");
        make.args(["image", &format!("IMAGE={}", image.name), &format!("ARGS=--quiet {arguments}")]);
        // The old builder needs no plug-in.
        succeed(make.current_dir(ROOT).env("DOCKER_BUILDKIT", "0"));
        image
    }

    /// Builds a stand-in, on the image that the stack has for Mosquitto: what argument of the Dockerfile it is for.
    fn stand_in(&self, home: &Home, context: &Path, target: &str) -> String {
        let mosquitto = ["inspect", "--format", "{{.Config.Image}}", &format!("sosstack-{}-mosquitto", home.stack)];
        let below = if target == "base" { "sosstack-test/mosquitto:2.0.21".to_owned() } else { docker(&mosquitto) };
        let name = format!("{}-{target}", self.name);
        let mut build = Command::new("docker");
        build.args(["build", "--quiet", "--target", target, "--tag", &name, "--build-arg"]);
        build.arg(format!("BASE={}", below.trim())).arg("--build-arg").arg(format!("MARK={}", self.stack));
        succeed(build.arg(context).env("DOCKER_BUILDKIT", "0"));
        format!("--build-arg {}={name} ", target.to_uppercase())
    }

    /// In a container that is gone afterwards.
    fn run(&self, options: &[&str], arguments: &[&str]) -> Finished {
        let all = [&["run", "--rm"], &HARDENED[..], options, &[&self.name], arguments].concat();
        Finished::from(Command::new("docker").args(all).stdin(Stdio::null()).output().unwrap())
    }

    fn volume(&self) -> String {
        format!("{}-journal", self.stack)
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.stack)
    }

    /// A bridge on the stack's network, detached, and what it says.
    fn bridge(&self, home: &Home, name: &str) -> Running {
        let (container, volume) = (self.container(name), format!("{}:/var/lib/sosstack", self.volume()));
        let network = format!("sosstack-{}", self.stack);
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--name", &container, "--network", &network]).args(HARDENED);
        let owners = format!("{}:/etc/sosstack/owners:ro", owners(home).display());
        command.args(["--env", "SOSSTACK_MQTT_PASSWORD", "--volume", &volume, "--volume", &owners, &self.name]);
        command.args(["bridge", "run", "--owners", "/etc/sosstack/owners"]);
        command.args(["--bootstrap", "kafka-service:9092", "--mqtt", "mqtt://sos_bridge@mqtt-service"]);
        command.args(["--journal", "/var/lib/sosstack/journal", "--metrics", "127.0.0.1:9101"]);
        let password = home.ok(&["device", "show", "sos_bridge", "--password"]);
        succeed(command.env("SOSSTACK_MQTT_PASSWORD", password.trim()));
        Running::of(logs(&container))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| Command::new("docker").args(arguments).output().unwrap();
        let names = ["first", "second"].map(|name| self.container(name));
        docker(&["rm", "--force", &names[0], &names[1]]);
        let volume = docker(&["volume", "rm", "--force", &self.volume()]);
        let targets = ["builder", "base"].map(|target| format!("{}-{target}", self.name));
        docker(&["image", "rm", "--force", &self.name, &targets[0], &targets[1]]);
        // What the builder leaves without a name, and it is large.
        let mark = format!("label=sosstack-test.image={}", self.stack);
        docker(&["image", "prune", "--force", "--filter", &mark]);
        if !std::thread::panicking() {
            assert!(volume.status.success(), "{volume:?}");
            let left = docker(&["images", "--all", "--quiet", "--filter", &mark]).stdout;
            assert!(left.is_empty(), "images are left");
        }
    }
}

fn it_is_not_root_and_says_what_it_is(image: &Image) {
    let config: Value =
        serde_json::from_str(&docker(&["inspect", "--format", "{{json .Config}}", &image.name])).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&config["User"], &config["StopSignal"]), (&"65532:65532".into(), &"SIGTERM".into()), "{config:#}");
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], version, "{config:#}");
    assert!(config["Volumes"].is_null(), "what waits in an anonymous one would be lost: {config:#}");
    let said = image.run(&[], &["--version"]);
    assert_eq!((said.code, said.stdout), (Some(0), format!("sosstack {version}\n")), "{}", said.stderr);
    let help = image.run(&[], &[]);
    assert!(help.code == Some(0) && help.stdout.contains("Usage: sosstack"), "{help:?}");
}

fn routes_are_checked_without_network(home: &Home, image: &Image) {
    let routes = home.path().join("image-routes.yaml");
    // Its jq runs in a process of its own.
    std::fs::write(&routes, "routes: [{ name: fall, value: '{from: $device, sure: .confidence}' }]").unwrap();
    let mount = format!("{}:/etc/sosstack/routes.yaml:ro", routes.display());
    let mut check = Command::new("docker");
    check.args(["run", "--rm", "--interactive", "--network", "none", "--volume", &mount]).args(HARDENED);
    check.args([&image.name, "bridge", "check", "/etc/sosstack/routes.yaml", "--output", "json"]);
    let mut check = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let sample = b"wearable/wearable-0042/fall {\"confidence\":0.9}\n";
    check.stdin.take().unwrap().write_all(sample).unwrap();
    let checked = Finished::from(check.wait_with_output().unwrap());
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let outcome: Value = serde_json::from_str(&checked.stdout).unwrap_or_else(|_| panic!("{checked:?}"));
    let message = &outcome["records"][0]["message"];
    let value = serde_json::json!({ "from": "wearable-0042", "sure": 0.9 });
    assert_eq!((&message["topic"], &message["value"]), (&"device.alerts".into(), &value), "{outcome:#}");
}

/// A journal in the container would go with it.
fn without_a_volume_no_bridge_begins(image: &Image) {
    let run = ["bridge", "run", "--bootstrap", "kafka-service:9092", "--mqtt", "mqtt://mqtt-service"];
    let refused = image.run(&[], &[&run[..], &["--journal", "/var/lib/sosstack/journal"]].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("Read-only file system"), "{refused:?}");
}

fn one_stops_in_order_and_its_standby_goes_on(home: &Home, image: &Image) {
    let mut first = image.bridge(home, "first");
    first.wait_for("subscribed; the session is new");
    let container = image.container("first");
    let processes = docker(&["top", &container, "-eo", "pid,uid"]);
    let owners: Vec<&str> = processes.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == "65532"), "{processes}");
    arrives(home, "by the first container");
    owners_are_those_of_the_list(home);

    let mut second = image.bridge(home, "second");
    second.wait_for("standby: ");
    let asked = Instant::now();
    docker(&["stop", "--time", "30", &container]);
    let took = asked.elapsed();
    let state = docker(&["inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", &container]);
    assert!(state.trim() == "0 false" && took < IN_ORDER, "{state} after {took:?}: {:?}", first.said());
    second.wait_for("this one is now active");
    second.wait_for("subscribed; the session was resumed");
    arrives(home, "by the second one");
    println!("the container ended in order after {took:?}");
}

/// The container shares no accounts with the stack.
fn owners(home: &Home) -> PathBuf {
    let list = home.path().join("image-owners");
    if !list.exists() {
        std::fs::write(&list, "panic-0001 user-of-the-list\n").unwrap();
    }
    list
}

fn owners_are_those_of_the_list(home: &Home) {
    for owner in ["user-of-the-list", "user-of-the-next-list"] {
        // In place: what the container has mounted is this very file.
        std::fs::write(owners(home), format!("panic-0001 {owner}\n")).unwrap();
        let whose = format!(r#""userId":"{owner}""#);
        eventually(&format!("an emergency of {owner}"), PATIENCE, || {
            home.ok(&["pub", "panic/panic-0001/press", "{}", "--qos", "2", "--as", "panic-0001"]);
            String::from_utf8(read_all(home, "emergency.created", &[])).unwrap().contains(&whose)
        });
    }
}

/// What a device sends from now on comes to Kafka, once.
fn arrives(home: &Home, word: &str) {
    let payload = format!(r#"{{"image":"{word}"}}"#);
    home.ok(&["pub", "geofence/user-1003/enter", &payload, "--qos", "1", "--as", "panic-0001"]);
    let count = || String::from_utf8(read_all(home, "location.geofence", &[])).unwrap().matches(&payload).count();
    eventually(&format!("{payload} comes to Kafka"), PATIENCE, || count() > 0);
    assert_eq!(count(), 1, "{payload}");
}

/// Follows what a container says.
fn logs(container: &str) -> Child {
    let mut command = Command::new("docker");
    command.args(["logs", "--follow", container]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn docker(arguments: &[&str]) -> String {
    succeed(Command::new("docker").args(arguments))
}

fn succeed(command: &mut Command) -> String {
    let finished = Finished::from(command.stdin(Stdio::null()).output().unwrap());
    assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    finished.stdout
}
