//! The two Mosquittos' pods: joined by one link, their accounts put together from Secrets.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, KeyToPath, PodSpec, PodTemplateSpec, ProjectedVolumeSource, ResourceRequirements,
    SecretProjection, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::container::{
    Rhythm, SECRET_MODE, Size, config_volume, container, files, mount, mount_read_only, ports, quantity, scratch_volume,
};
use super::pods::{CHECKSUM, DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::config::mosquitto;
use crate::export::texts;
use crate::stack::ports::PortName;
use crate::stack::{Stack, image, sizes};
use crate::target::Target;
use crate::workload::Workload;
use crate::workload::build::mosquitto_workload;

/// The Secret with the backend's login, the only one that must exist.
pub const CREDENTIALS: &str = "mqtt-credentials";
/// The Secret with the password of the link between the two; without it, it follows from the backend's.
pub const PEER: &str = "mqtt-peer";
/// The Secret with the password of the bridge to Kafka; without it, no such user is let in.
pub const BRIDGE: &str = "mqtt-bridge";
/// The Secret with the password of the probe; without it, each pod makes one of its own.
pub const PROBE: &str = "mqtt-probe";
/// The Secret with the certificate for 8883.
pub const TLS: &str = "mqtt-tls";
/// How many Secrets with devices the pods look for. Their number is part of the pods, so it does not follow the devices.
pub const DEVICE_SHARDS: usize = 16;
/// What one Secret of devices holds.
pub const SHARD_KEYS: [&str; 4] = ["passwd", "acl", "shards", "generation"];
/// What it holds besides, for the bridge: to whom the devices belong.
pub const OWNERS_KEY: &str = "owners";

/// The name of one Secret of devices.
pub fn shard_name(index: usize) -> String {
    format!("mqtt-devices-{index}")
}

/// Messages that either server keeps, beside a bridge, for a client that is away.
const QUEUED: u32 = 100_000;
/// What one server may take then, in bytes.
const MOSQUITTO_MEMORY: u64 = 1 << 30;

const CONFIG: &str = "mqtt-config";
const MOSQUITTO_CONF: &str = "mosquitto.conf";
/// The server's container.
const SERVER: &str = "mqtt";
const SCRIPT: &str = include_str!("scripts/accounts.sh");

/// What every pod runs: none of it depends on the ordinal. Beside a bridge, it keeps more for those who are away.
fn workload(source: Source<'_>) -> Workload {
    let workload = |stack: &Stack| mosquitto_workload(stack, &Target::Kubernetes);
    if !source.settings.bridge.wanted {
        return workload(source.stack);
    }
    let mut stack = source.stack.clone();
    stack.mosquitto.max_queued_messages = stack.mosquitto.max_queued_messages.max(QUEUED);
    let alone = workload(&stack);
    Workload { memory: alone.memory.max(MOSQUITTO_MEMORY), ..alone }
}

/// What of the configuration is otherwise beside a bridge, as a patch of what it is without one.
pub(super) fn config_patch(source: Source<'_>) -> ConfigMap {
    let conf = files(&workload(source)).remove(MOSQUITTO_CONF).unwrap_or_default();
    ConfigMap {
        metadata: patched(source, CONFIG),
        data: Some([(MOSQUITTO_CONF.to_owned(), conf)].into()),
        ..ConfigMap::default()
    }
}

/// As [`config_patch`], of the pods: they have to be replaced to read it, and may take more memory.
pub(super) fn pods_patch(source: Source<'_>) -> StatefulSet {
    let memory = Quantity(quantity(workload(source).memory));
    let limits = ResourceRequirements { limits: Some([("memory".to_owned(), memory)].into()), ..Default::default() };
    let server = Container { name: SERVER.to_owned(), resources: Some(limits), ..Container::default() };
    let annotations = Some([(CHECKSUM.to_owned(), checksum(&config_map(source).data))].into());
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { annotations, ..ObjectMeta::default() }),
        spec: Some(PodSpec { containers: vec![server], ..PodSpec::default() }),
    };
    let spec = StatefulSetSpec { template, ..StatefulSetSpec::default() };
    let metadata = patched(source, Component::Mqtt.name());
    StatefulSet { metadata, spec: Some(spec), status: None }
}

fn patched(source: Source<'_>, name: &str) -> ObjectMeta {
    let namespace = Some(source.stack.namespace.clone());
    ObjectMeta { name: Some(name.to_owned()), namespace, ..ObjectMeta::default() }
}

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    let own = [
        ("acl-bridge", mosquitto::bridge_acl()),
        ("acl-devices", mosquitto::pattern_acl()),
        ("accounts.sh", SCRIPT.to_owned()),
    ];
    let mut data = files(&workload(source));
    data.extend(own.map(|(name, text)| (name.to_owned(), text)));
    ConfigMap { metadata: Component::Mqtt.metadata(source.stack, CONFIG), data: Some(data), ..ConfigMap::default() }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    let workload = workload(source);
    pods::stateful_set(
        source,
        Pods {
            component: Component::Mqtt,
            user: workload.user,
            stop_grace: workload.stop_grace,
            init_containers: vec![accounts(source, "accounts", "setup")],
            containers: vec![server(source, &workload), accounts(source, "reload", "watch")],
            volumes: vec![
                config_volume("config", CONFIG),
                secrets(),
                scratch_volume("run", "64Mi", true),
                scratch_volume("tmp", "64Mi", true),
            ],
            min_ready: 60,
            storage: &source.settings.storage.mqtt,
            // By which the reload container signals the server, both being the same user.
            share_processes: true,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn server(source: Source<'_>, workload: &Workload) -> Container {
    let size = Size::of(("100m", "500m"), sizes::MOSQUITTO_REQUEST, workload);
    // A login of the pod's own, from a file: an argument would show its password.
    let probe_config = format!("XDG_CONFIG_HOME={}/probe", image::OWN_RUN);
    let receives =
        ["env", &probe_config, "mosquitto_sub", "-h", "127.0.0.1", "-t", "$SYS/broker/uptime", "-C", "1", "-W", "3"];
    Container {
        command: Some(workload.command.clone()),
        ports: Some(ports(Component::Mqtt)),
        // The port opens when the database is loaded.
        startup_probe: Some(Rhythm { period: 5, timeout: 5, failures: 60 }.tcp(PortName::Mqtt.number())),
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.tcp(PortName::Mqtt.number())),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.exec(&receives)),
        volume_mounts: Some(vec![
            mount(DATA, image::MOSQUITTO_DATA),
            mount_read_only("config", image::OWN_CONFIG),
            mount_read_only("run", image::OWN_RUN),
        ]),
        ..container(source, Component::Mqtt, SERVER, &size)
    }
}

/// The script that puts accounts together, once or whenever a Secret changes.
fn accounts(source: Source<'_>, name: &str, mode: &str) -> Container {
    let size = Size { cpu: ("10m", "200m"), memory: ("16Mi".to_owned(), "64Mi".to_owned()) };
    let script = format!("{}/accounts.sh", image::OWN_CONFIG);
    let mounts = vec![
        mount_read_only("secrets", "/run/secrets/sosstack"),
        mount_read_only("config", image::OWN_CONFIG),
        mount("run", image::OWN_RUN),
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
        source_of(BRIDGE, "bridge", &["password"], true),
        source_of(PROBE, "probe", &["password"], true),
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
