//! The brokers' pods.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Container};

use super::container::{
    Rhythm, Size, config_volume, container, files, mount, mount_read_only, ports, scratch_volume, shell,
};
use super::pods::{DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::stack::ports::PortName;
use crate::stack::{Service, image};
use crate::target::Target;
use crate::workload::{Workload, kafka};

const CONFIG: &str = "kafka-config";
const PORT: u16 = PortName::Kafka.number();

/// What every pod runs: none of it depends on the ordinal.
fn workload(source: Source<'_>) -> Workload {
    kafka::workload(source.stack, Service::kafka(0), &Target::Kubernetes)
}

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    ConfigMap {
        metadata: Component::Kafka.metadata(source.stack, CONFIG),
        data: Some(files(&workload(source))),
        ..ConfigMap::default()
    }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    let workload = workload(source);
    pods::stateful_set(
        source,
        Pods {
            component: Component::Kafka,
            user: workload.user,
            stop_grace: workload.stop_grace,
            init_containers: Vec::new(),
            containers: vec![broker(source, &workload)],
            volumes: vec![config_volume("config", CONFIG), scratch_volume("tmp", "512Mi", false)],
            min_ready: 90,
            storage: &source.settings.storage.kafka,
            share_processes: false,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn broker(source: Source<'_>, workload: &Workload) -> Container {
    let size = Size::jvm(("500m", "2"), source.stack.kafka.heap, workload);
    let (command, args) = shell(workload);
    Container {
        command,
        args,
        ports: Some(ports(Component::Kafka)),
        // The port opens when logs are recovered, which after a crash takes minutes: 20 of them.
        startup_probe: Some(Rhythm { period: 10, timeout: 5, failures: 120 }.tcp(PORT)),
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.tcp(PORT)),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.tcp(PORT)),
        volume_mounts: Some(vec![
            mount(DATA, image::KAFKA_DATA),
            mount_read_only("config", image::OWN_CONFIG),
            mount("tmp", "/tmp"),
        ]),
        ..container(source, Component::Kafka, "kafka", &size)
    }
}
