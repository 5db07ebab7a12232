//! The two Mosquittos' pods: joined by one link, their accounts put together from Secrets.

use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeProjection,
};

use super::container::{
    Rhythm, SECRET_MODE, Size, config_volume, container, mount, mount_read_only, ports, scratch_volume, texts,
};
use super::pods::{DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::config::mosquitto;
use crate::target::Target;

/// The Secret with the backend's login, the only one that must exist.
pub const CREDENTIALS: &str = "mqtt-credentials";
/// The Secret with the password of the link between the two; without it, it follows from the backend's.
pub const PEER: &str = "mqtt-peer";
/// The Secret with the certificate for 8883.
pub const TLS: &str = "mqtt-tls";
/// How many Secrets with devices the pods look for. Their number is part of the pods, so it does not follow the devices.
pub const DEVICE_SHARDS: usize = 16;
/// What one Secret of devices holds.
pub const SHARD_KEYS: [&str; 4] = ["passwd", "acl", "shards", "generation"];

/// The name of one Secret of devices.
pub fn shard_name(index: usize) -> String {
    format!("mqtt-devices-{index}")
}

const CONFIG: &str = "mqtt-config";
const CONFIG_DIR: &str = "/etc/sosstack";
const DATA_DIR: &str = "/mosquitto/data";
/// What is put together when the pod starts, and again when a Secret changes.
const RUN: &str = "/run/sosstack";
const SCRIPT: &str = include_str!("scripts/accounts.sh");
/// The user of the official image.
const USER: i64 = 1883;

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    let stack = source.stack;
    let (run, data) = (Path::new(RUN), Path::new(DATA_DIR));
    let first = format!("mqtt-0.mqtt-headless.{}.svc.{}", stack.namespace, stack.domain);
    let files = [
        ("mosquitto.conf", mosquitto::mosquitto_conf(stack, &Target::Kubernetes, run, data)),
        ("tls.conf", mosquitto::tls_conf(stack, run)),
        ("bridge.conf", mosquitto::bridge_conf(&first)),
        ("acl-devices", mosquitto::pattern_acl()),
        ("accounts.sh", SCRIPT.to_owned()),
    ];
    ConfigMap {
        metadata: Component::Mqtt.metadata(stack, CONFIG),
        data: Some(files.map(|(name, text)| (name.to_owned(), text)).into()),
        ..ConfigMap::default()
    }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    pods::stateful_set(
        source,
        Pods {
            component: Component::Mqtt,
            user: USER,
            init_containers: vec![accounts(source, "accounts", "setup")],
            containers: vec![server(source), accounts(source, "reload", "watch")],
            volumes: vec![
                config_volume("config", CONFIG),
                secrets(),
                scratch_volume("run", "64Mi", true),
                scratch_volume("tmp", "64Mi", true),
            ],
            grace: 60,
            min_ready: 60,
            storage: &source.settings.storage.mqtt,
            // By which the reload container signals the server, both being the same user.
            share_processes: true,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn server(source: Source<'_>) -> Container {
    let size = Size { cpu: ("100m", "500m"), memory: ("128Mi".to_owned(), "512Mi".to_owned()) };
    let config = Path::new(CONFIG_DIR).join("mosquitto.conf");
    let command = mosquitto::guarded_command(source.stack, &Target::Kubernetes, &config, Path::new(DATA_DIR));
    // A login of the pod's own, from a file: an argument would show its password.
    let probe_config = format!("XDG_CONFIG_HOME={RUN}/probe");
    let receives =
        ["env", &probe_config, "mosquitto_sub", "-h", "127.0.0.1", "-t", "$SYS/broker/uptime", "-C", "1", "-W", "3"];
    Container {
        command: Some(command),
        ports: Some(ports(Component::Mqtt)),
        // The port opens when the database is loaded.
        startup_probe: Some(Rhythm { period: 5, timeout: 5, failures: 60 }.tcp(1883)),
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.tcp(1883)),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.exec(&receives)),
        volume_mounts: Some(vec![
            mount(DATA, DATA_DIR),
            mount_read_only("config", CONFIG_DIR),
            mount_read_only("run", RUN),
        ]),
        ..container(source, Component::Mqtt, "mqtt", &size)
    }
}

/// The script that puts accounts together, once or whenever a Secret changes.
fn accounts(source: Source<'_>, name: &str, mode: &str) -> Container {
    let size = Size { cpu: ("10m", "200m"), memory: ("16Mi".to_owned(), "64Mi".to_owned()) };
    let script = format!("{CONFIG_DIR}/accounts.sh");
    let mounts = vec![
        mount_read_only("secrets", "/run/secrets/sosstack"),
        mount_read_only("config", CONFIG_DIR),
        mount("run", RUN),
        mount("tmp", "/tmp"),
    ];
    Container {
        command: Some(texts(&["sh", &script, mode])),
        volume_mounts: Some(mounts),
        ..container(source, Component::Mqtt, name, &size)
    }
}

/// All Secrets as one tree, so that they come and change together; of those that need not exist, the ones that do.
fn secrets() -> Volume {
    let mut sources = vec![
        source_of(CREDENTIALS, "credentials", &["mqtt-username", "mqtt-password"], false),
        source_of(PEER, "peer", &["password"], true),
        source_of(TLS, "tls", &["tls.crt", "tls.key"], true),
    ];
    let shard = |index| source_of(&shard_name(index), &format!("devices/{index}"), &SHARD_KEYS, true);
    sources.extend((0..DEVICE_SHARDS).map(shard));
    let projected = ProjectedVolumeSource { default_mode: Some(SECRET_MODE), sources: Some(sources) };
    Volume { name: "secrets".to_owned(), projected: Some(projected), ..Volume::default() }
}

/// Keys of a Secret as files in a directory.
fn source_of(secret: &str, directory: &str, keys: &[&str], optional: bool) -> VolumeProjection {
    let item = |key: &&str| KeyToPath { key: (*key).to_owned(), path: format!("{directory}/{key}"), mode: None };
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.to_owned(),
            items: Some(keys.iter().map(item).collect()),
            optional: optional.then_some(true),
        }),
        ..VolumeProjection::default()
    }
}
