//! The ensemble's pods.

use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Container, VolumeMount};

use super::container::{
    JVM_NAMES, Rhythm, Size, config_volume, container, mount, mount_read_only, ports, scratch_volume, texts,
};
use super::pods::{DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::config::{jvm, zookeeper};
use crate::stack::Service;
use crate::target::Target;

const CONFIG: &str = "zookeeper-config";
/// The user of the official image.
const USER: i64 = 1000;

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    // No setting depends on the ordinal: any node's text is all nodes'.
    let node = Service::zookeeper(0);
    let zoo_cfg =
        zookeeper::zoo_cfg(source.stack, node, &Target::Kubernetes, Path::new("/data"), Path::new("/datalog"));
    let files = [("zoo.cfg", zoo_cfg), ("logback.xml", zookeeper::logback())];
    ConfigMap {
        metadata: Component::Zookeeper.metadata(source.stack, CONFIG),
        data: Some(files.map(|(name, text)| (name.to_owned(), text)).into()),
        ..ConfigMap::default()
    }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    pods::stateful_set(
        source,
        Pods {
            component: Component::Zookeeper,
            user: USER,
            init_containers: Vec::new(),
            containers: vec![node(source)],
            volumes: vec![
                config_volume("config", CONFIG),
                scratch_volume("logs", "64Mi", false),
                scratch_volume("tmp", "256Mi", false),
            ],
            grace: 60,
            min_ready: 60,
            storage: &source.settings.storage.zookeeper,
            share_processes: false,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn node(source: Source<'_>) -> Container {
    let stack = source.stack;
    let flags = [&jvm::options(stack.profile)[..], &["-Dzookeeper.preAllocSize=64"], &JVM_NAMES].concat().join(" ");
    // The image would take 1 for the id of every node, and remember it.
    let start = format!(
        "export ZOO_MY_ID=$((${{HOSTNAME##*-}} + 1)) ZK_SERVER_HEAP={} SERVER_JVMFLAGS='{flags}'\n\
         exec /docker-entrypoint.sh zkServer.sh start-foreground\n",
        stack.zookeeper.heap.mebibytes
    );
    let size = Size::jvm(("250m", "500m"), stack.zookeeper.heap);
    // Without a line's end, which the node would leave unread: a reset connection may then take the answer with it.
    let asks = |word: &str, answer: &str| format!(r#"[ "$(printf {word} | nc -w 3 127.0.0.1 2181)" = {answer} ]"#);
    let (alive, serves) = (asks("ruok", "imok"), asks("isro", "rw"));
    // On one volume, but not at its root, which may hold lost+found.
    let on_data = |sub_path: &str, path: &str| VolumeMount { sub_path: Some(sub_path.to_owned()), ..mount(DATA, path) };
    Container {
        command: Some(texts(&["/bin/bash", "-ec"])),
        args: Some(vec![start]),
        ports: Some(ports(Component::Zookeeper)),
        // It answers once its database is loaded.
        startup_probe: Some(Rhythm { period: 5, timeout: 5, failures: 120 }.exec(&["sh", "-c", &alive])),
        // Alive is not the same as part of a quorum: that depends on others.
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.exec(&["sh", "-c", &alive])),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.exec(&["sh", "-c", &serves])),
        volume_mounts: Some(vec![
            on_data("data", "/data"),
            on_data("datalog", "/datalog"),
            mount_read_only("config", "/conf"),
            mount("logs", "/logs"),
            mount("tmp", "/tmp"),
        ]),
        ..container(source, Component::Zookeeper, "zookeeper", &size)
    }
}
