//! The script that puts Mosquitto's accounts together, run beside a `mosquitto_passwd` that only marks what it hashed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sosstack::export::kubernetes::Settings;
use tempfile::TempDir;

use crate::objects::{Objects, stack};

struct Pod(TempDir);

impl Pod {
    /// With the backend's login and nothing else.
    fn new() -> Self {
        let pod = Self(tempfile::tempdir().unwrap());
        let maps = Objects::of(&stack(""), &Settings::default()).config_maps();
        let map = maps.into_iter().find(|map| map.metadata.name.as_deref() == Some("mqtt-config")).unwrap();
        for (name, text) in map.data.unwrap() {
            pod.write(&format!("config/{name}"), &text);
        }
        pod.write("secrets/credentials/mqtt-username", "sos_service");
        pod.write("secrets/credentials/mqtt-password", "pass word");
        pod.write("run/probe-password", "probe");
        fs::create_dir(pod.path("run/conf.d")).unwrap();
        pod.write("bin/mosquitto_passwd", "#!/bin/sh\nsed -i 's/:/:hashed-/' \"$2\"\n");
        fs::set_permissions(pod.path("bin/mosquitto_passwd"), fs::Permissions::from_mode(0o755)).unwrap();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn shard(&self, index: usize, device: &str, count: &str, generation: &str) {
        let keys =
            [("passwd", format!("{device}:$7$x\n")), ("acl", format!("\nuser {device}\ntopic write a/{device}\n"))];
        for (key, value) in
            keys.into_iter().chain([("shards", count.to_owned()), ("generation", generation.to_owned())])
        {
            self.write(&format!("secrets/devices/{index}/{key}"), &value);
        }
    }

    fn run(&self, function: &str, ordinal: u16) -> Output {
        let path = std::env::var("PATH").unwrap();
        let dir = |name: &str| self.path(name);
        Command::new("sh")
            .arg(self.path("config/accounts.sh"))
            .arg(function)
            .env("PATH", format!("{}:{path}", dir("bin").display()))
            .env("HOSTNAME", format!("mqtt-{ordinal}"))
            .env("SOSSTACK_CONFIG", dir("config"))
            .env("SOSSTACK_SECRETS", dir("secrets"))
            .env("SOSSTACK_RUN", dir("run"))
            .output()
            .unwrap()
    }

    fn assemble(&self) -> bool {
        self.run("assemble", 0).status.success()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_backends_login_alone_is_enough() {
    let pod = Pod::new();
    assert!(pod.assemble());
    let passwd = pod.read("run/passwd");
    assert!(passwd.starts_with("sos_service:hashed-pass word\nbridge:hashed-"), "{passwd}");
    assert_eq!(passwd.lines().count(), 3);
    let acl = pod.read("run/acl");
    assert!(acl.starts_with("user sos_service\ntopic readwrite #\ntopic read $SYS/#\n"), "{acl}");
    assert!(!passwd.contains("sos_bridge"), "it has no Secret");
    assert!(acl.contains("\npattern write device/%u/telemetry\n"), "{acl}");
    assert_eq!((mode(&pod.path("run/passwd")), mode(&pod.path("run/acl"))), (0o600, 0o600));
}

#[test]
fn the_bridge_to_kafka_has_a_secret_and_rights_of_its_own() {
    let pod = Pod::new();
    pod.write("secrets/bridge/password", "of-the-bridge");
    assert!(pod.assemble());
    assert!(pod.read("run/passwd").contains("\nsos_bridge:hashed-of-the-bridge\n"));
    let acl = pod.read("run/acl");
    let of_user = acl.split("\n\n").find(|part| part.starts_with("user sos_bridge\n")).unwrap();
    assert!(of_user.contains("\ntopic read panic/+/press\n"), "{acl}");
    let written: Vec<&str> = of_user.lines().filter(|line| line.contains("write")).collect();
    assert_eq!(written, ["topic write emergency/+/status"], "{acl}");
    assert!(acl.contains("\n\nuser bridge\ntopic readwrite #\n"), "the link's user is another one: {acl}");
}

#[test]
fn the_probe_has_the_secrets_password_else_one_of_the_pods_own() {
    let pod = Pod::new();
    assert!(pod.assemble());
    assert!(pod.read("run/passwd").contains("\nsosstack-probe:hashed-probe\n"));
    pod.write("secrets/probe/password", "of-the-secret");
    assert!(pod.assemble());
    assert!(pod.read("run/passwd").contains("\nsosstack-probe:hashed-of-the-secret\n"));
    // By which the pod is asked whether it is ready.
    assert_eq!(pod.read("run/probe/mosquitto_sub"), "-u sosstack-probe\n-P of-the-secret\n");
    assert_eq!(mode(&pod.path("run/probe/mosquitto_sub")), 0o600);
}

#[test]
fn devices_of_several_secrets_count_when_all_are_of_one_export() {
    let pod = Pod::new();
    pod.shard(0, "a", "2", "new");
    pod.shard(1, "b", "2", "new");
    // Of an earlier export that had more.
    pod.shard(2, "gone", "3", "old");
    assert!(pod.assemble());
    let (passwd, acl) = (pod.read("run/passwd"), pod.read("run/acl"));
    assert!(passwd.contains("\na:$7$x\nb:$7$x\n") && !passwd.contains("gone"), "{passwd}");
    assert!(acl.contains("user a\ntopic write a/a\n") && acl.contains("user b\n") && !acl.contains("gone"), "{acl}");

    pod.shard(0, "a", "3", "newer");
    assert!(!pod.assemble(), "two of three are of the export before");
    assert_eq!(pod.read("run/passwd"), passwd, "what was put together stays");
}

#[test]
fn a_name_that_would_end_a_line_is_refused() {
    for name in ["", "a b", "a:b", "a\nuser x", "bridge", "sos_bridge", "a#"] {
        let pod = Pod::new();
        pod.write("secrets/credentials/mqtt-username", name);
        let output = pod.run("assemble", 0);
        assert!(!output.status.success(), "{name:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("is not a valid user name"), "{name:?}");
    }
}

#[test]
fn only_the_second_pod_has_a_link_and_its_password_is_the_peers() {
    let pod = Pod::new();
    assert!(!pod.run("link_changed", 0).status.success());
    assert!(pod.run("link_changed", 1).status.success());
    let derived = pod.read("run/conf.d/bridge.conf");
    assert!(!pod.run("link_changed", 1).status.success(), "the second time it is the same");
    pod.write("secrets/peer/password", "of-the-secret");
    assert!(pod.run("link_changed", 1).status.success());
    let given = pod.read("run/conf.d/bridge.conf");
    assert!(given.ends_with("\nremote_password of-the-secret\n"), "{given}");
    // What one side sends is what the other side expects.
    let sent = |text: &str| text.lines().last().unwrap().strip_prefix("remote_password ").unwrap().to_owned();
    assert!(pod.assemble());
    assert!(pod.read("run/passwd").contains(&format!("bridge:hashed-{}\n", sent(&given))));
    fs::remove_file(pod.path("secrets/peer/password")).unwrap();
    assert!(pod.assemble());
    assert!(pod.read("run/passwd").contains(&format!("bridge:hashed-{}\n", sent(&derived))));
}

#[test]
fn port_8883_opens_where_there_is_a_certificate() {
    let pod = Pod::new();
    fs::remove_file(pod.path("run/probe-password")).unwrap();
    // As the kubelet does.
    std::os::unix::fs::symlink("v1", pod.path("secrets/..data")).unwrap();
    assert!(pod.run("setup", 0).status.success());
    assert!(!pod.path("run/conf.d/tls.conf").exists());
    assert!(pod.read("run/probe/mosquitto_sub").starts_with("-u sosstack-probe\n-P "));
    pod.write("secrets/tls/tls.crt", "CERT");
    pod.write("secrets/tls/tls.key", "KEY");
    assert!(pod.run("setup", 0).status.success());
    assert!(pod.read("run/conf.d/tls.conf").starts_with("listener 8883\n"));
    assert_eq!((pod.read("run/tls.key").as_str(), mode(&pod.path("run/tls.key"))), ("KEY", 0o600));
    assert!(!pod.path("run/conf.d/bridge.conf").exists());
}
