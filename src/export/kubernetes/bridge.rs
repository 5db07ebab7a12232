//! The bridge from Mosquitto to Kafka: one pod, whose volume holds its journal; a component of the kustomization.
//!
//! It reads from the first Mosquitto only, where its session lies: what is published at the second one comes over the link
//! between the two. While it is away both servers queue for it, so both keep more than without a bridge.

use serde_yaml::Value;

use super::container::{Rhythm, SECRET_MODE, Size, config_volume, container, mount, mount_read_only, ports};
use super::mqtt::{BRIDGE, DEVICE_SHARDS, OWNERS_KEY, PROBE, shard_name};
use super::pods::{DATA, Pods};
use super::settings::Bridge;
use super::{Component, Source, budgets, checksum, network, object, pods, services};
use crate::export::bridge::{self, Surroundings};
use crate::stack::ports::{self as numbers, PortName};
use crate::stack::{Role, Service, Stack, image, names, sizes};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, EnvVarSource, KeyToPath, ProjectedVolumeSource, SecretKeySelector, SecretProjection,
    Volume, VolumeProjection,
};

const CONFIG: &str = "bridge-config";
const OWNERS: &str = "/run/secrets/sosstack/owners";

/// All that the bridge adds to the stack.
pub(super) fn objects(source: Source<'_>) -> Vec<Value> {
    let component = Component::Bridge;
    vec![
        object(&pods::service_account(source, component)),
        object(&network::policy(source, component)),
        object(&budgets::budget(source, component)),
        object(&config_map(source)),
        object(&services::headless(source, component)),
        object(&stateful_set(source)),
    ]
}

fn config_map(source: Source<'_>) -> ConfigMap {
    let files = bridge::files(source.stack, &source.settings.bridge.behaviour);
    let data = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    ConfigMap { metadata: Component::Bridge.metadata(source.stack, CONFIG), data: Some(data), ..ConfigMap::default() }
}

fn stateful_set(source: Source<'_>) -> StatefulSet {
    pods::stateful_set(
        source,
        Pods {
            component: Component::Bridge,
            user: image::BRIDGE_USER,
            stop_grace: 3 * sizes::BRIDGE_GRACE,
            init_containers: Vec::new(),
            containers: vec![server(source)],
            volumes: vec![config_volume("config", CONFIG), owners()],
            min_ready: 10,
            storage: &source.settings.bridge.storage,
            share_processes: false,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn server(source: Source<'_>) -> Container {
    let size = Size { cpu: ("100m", "1"), memory: ("64Mi".to_owned(), "256Mi".to_owned()) };
    let port = numbers::BRIDGE_IN_POD;
    Container {
        args: Some(arguments(source)),
        env: Some(vec![from_secret("SOSSTACK_MQTT_PASSWORD", BRIDGE), from_secret("SOSSTACK_PROBE_PASSWORD", PROBE)]),
        ports: Some(ports(Component::Bridge)),
        // A large journal is looked through first.
        startup_probe: Some(Rhythm { period: 2, timeout: 5, failures: 150 }.http(port, "/healthz")),
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.http(port, "/healthz")),
        readiness_probe: Some(Rhythm { period: 5, timeout: 5, failures: 2 }.http(port, "/readyz")),
        volume_mounts: Some(vec![
            mount(DATA, image::BRIDGE_DATA),
            mount_read_only("config", image::OWN_CONFIG),
            mount_read_only("owners", OWNERS),
        ]),
        ..container(source, Component::Bridge, "bridge", &size)
    }
}

fn arguments(source: Source<'_>) -> Vec<String> {
    let Bridge { behaviour, storage, .. } = &source.settings.bridge;
    let surroundings = Surroundings { journal_max: Some(journal_max(storage)), ..surroundings(source.stack) };
    bridge::arguments(behaviour, &surroundings)
}

/// Where its brokers are, as arguments.
pub fn addresses(stack: &Stack) -> Vec<String> {
    bridge::addresses(&surroundings(stack))
}

fn surroundings(stack: &Stack) -> Surroundings<'static> {
    let address = |service, port: PortName| format!("{}:{}", names::cluster_name(stack, service), port.number());
    let brokers = (0..stack.kafka.brokers).map(|ordinal| address(Service::kafka(ordinal), PortName::Kafka));
    Surroundings {
        brokers: brokers.collect(),
        mosquitto: address(Service { role: Role::Mosquitto, ordinal: 0 }, PortName::Mqtt),
        journal_max: None,
        owners: OWNERS,
    }
}

/// Four fifths of the volume; the rest is for receipts and for what is on its way to the disk. `storage` is a valid size.
fn journal_max(storage: &str) -> String {
    let units = [("Ti", 20), ("Gi", 10), ("Mi", 0)];
    let mebibytes = units.into_iter().find_map(|(unit, shift)| {
        let number: u64 = storage.strip_suffix(unit)?.parse().ok()?;
        Some(number << shift)
    });
    format!("{}M", (mebibytes.unwrap_or_default() * 4 / 5).max(1))
}

/// A Secret's `password` as a variable: a mounted file is its group's, too.
fn from_secret(variable: &str, secret: &str) -> EnvVar {
    let key = SecretKeySelector { name: secret.to_owned(), key: "password".to_owned(), optional: None };
    EnvVar {
        name: variable.to_owned(),
        value_from: Some(EnvVarSource { secret_key_ref: Some(key), ..EnvVarSource::default() }),
        value: None,
    }
}

/// Owners of devices, without their hashes.
fn owners() -> Volume {
    let shard = |index: usize| VolumeProjection {
        secret: Some(SecretProjection {
            name: shard_name(index),
            items: Some(vec![KeyToPath { key: OWNERS_KEY.to_owned(), path: format!("{index:02}"), mode: None }]),
            optional: Some(true),
        }),
        ..VolumeProjection::default()
    };
    let sources = (0..DEVICE_SHARDS).map(shard).collect();
    let projected = ProjectedVolumeSource { default_mode: Some(SECRET_MODE), sources: Some(sources) };
    Volume { name: "owners".to_owned(), projected: Some(projected), ..Volume::default() }
}

#[cfg(test)]
mod tests {
    use super::journal_max;

    #[test]
    fn the_journal_leaves_room_in_its_volume() {
        assert_eq!(["10Gi", "512Mi", "1Ti", "1Mi"].map(journal_max), ["8192M", "409M", "838860M", "1M"]);
    }
}
