//! The ensemble's pods.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Container, VolumeMount};

use super::container::{
    Rhythm, Size, config_volume, container, files, mount, mount_read_only, ports, scratch_volume, shell,
};
use super::pods::{DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::stack::ports::PortName;
use crate::stack::{Service, image};
use crate::target::Target;
use crate::workload::{Workload, zookeeper};

const CONFIG: &str = "zookeeper-config";

/// What every pod runs: none of it depends on the ordinal.
fn workload(source: Source<'_>) -> Workload {
    zookeeper::workload(source.stack, Service::zookeeper(0), &Target::Kubernetes)
}

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    ConfigMap {
        metadata: Component::Zookeeper.metadata(source.stack, CONFIG),
        data: Some(files(&workload(source))),
        ..ConfigMap::default()
    }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    let workload = workload(source);
    pods::stateful_set(
        source,
        Pods {
            component: Component::Zookeeper,
            user: workload.user,
            stop_grace: workload.stop_grace,
            init_containers: Vec::new(),
            containers: vec![node(source, &workload)],
            volumes: vec![
                config_volume("config", CONFIG),
                scratch_volume("logs", "64Mi", false),
                scratch_volume("tmp", "256Mi", false),
            ],
            min_ready: 60,
            storage: &source.settings.storage.zookeeper,
            share_processes: false,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn node(source: Source<'_>, workload: &Workload) -> Container {
    let size = Size::jvm(("250m", "500m"), source.stack.zookeeper.heap, workload);
    let (command, args) = shell(workload);
    // Without a line's end, which the node would leave unread: a reset connection may then take the answer with it.
    let port = PortName::Zookeeper.number();
    let asks = |word: &str, answer: &str| format!(r#"[ "$(printf {word} | nc -w 3 127.0.0.1 {port})" = {answer} ]"#);
    let (alive, serves) = (asks("ruok", "imok"), asks("isro", "rw"));
    // On one volume, but not at its root, which may hold lost+found.
    let on_data = |sub_path: &str, path: &str| VolumeMount { sub_path: Some(sub_path.to_owned()), ..mount(DATA, path) };
    Container {
        command,
        args,
        ports: Some(ports(Component::Zookeeper)),
        // It answers once its database is loaded.
        startup_probe: Some(Rhythm { period: 5, timeout: 5, failures: 120 }.exec(&["sh", "-c", &alive])),
        // Alive is not the same as part of a quorum: that depends on others.
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.exec(&["sh", "-c", &alive])),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.exec(&["sh", "-c", &serves])),
        volume_mounts: Some(vec![
            on_data("data", image::ZOOKEEPER_DATA),
            on_data("datalog", image::ZOOKEEPER_LOG),
            mount_read_only("config", image::ZOOKEEPER_CONFIG),
            mount("logs", "/logs"),
            mount("tmp", "/tmp"),
        ]),
        ..container(source, Component::Zookeeper, "zookeeper", &size)
    }
}
