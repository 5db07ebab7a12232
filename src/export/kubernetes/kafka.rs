//! The brokers' pods.

use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Container};

use super::container::{
    JVM_NAMES, Rhythm, Size, config_volume, container, mount, mount_read_only, ports, scratch_volume, texts,
};
use super::pods::{DATA, Pods};
use super::{Component, Source, checksum, pods};
use crate::config::{jvm, kafka};
use crate::stack::{Profile, Service, Stack};
use crate::target::Target;

const CONFIG: &str = "kafka-config";
const CONFIG_DIR: &str = "/etc/sosstack";
/// The user of the official image, which names it without a number.
pub(super) const USER: i64 = 1000;
/// Not the volume's root, which may hold lost+found, which Kafka refuses.
const LOG_DIRS: &str = "/var/lib/kafka/data/kafka-logs";
const PORT: i32 = 9092;

pub(super) fn config_map(source: Source<'_>) -> ConfigMap {
    // What depends on the ordinal is said by the pods' command.
    let properties =
        kafka::server_properties(source.stack, Service::kafka(0), &Target::Kubernetes, Path::new(LOG_DIRS));
    let files = [("server.properties", properties), ("log4j.properties", jvm::log4j(None))];
    ConfigMap {
        metadata: Component::Kafka.metadata(source.stack, CONFIG),
        data: Some(files.map(|(name, text)| (name.to_owned(), text)).into()),
        ..ConfigMap::default()
    }
}

pub(super) fn stateful_set(source: Source<'_>) -> StatefulSet {
    pods::stateful_set(
        source,
        Pods {
            component: Component::Kafka,
            user: USER,
            init_containers: Vec::new(),
            containers: vec![broker(source)],
            volumes: vec![config_volume("config", CONFIG), scratch_volume("tmp", "512Mi", false)],
            // A broker hands over its partitions and writes out what it holds.
            grace: 300,
            min_ready: 90,
            storage: &source.settings.storage.kafka,
            share_processes: false,
            checksum: checksum(&config_map(source).data),
        },
    )
}

fn broker(source: Source<'_>) -> Container {
    let size = Size::jvm(("500m", "2"), source.stack.kafka.heap);
    Container {
        command: Some(texts(&["/bin/bash", "-ec"])),
        args: Some(vec![start(source.stack)]),
        ports: Some(ports(Component::Kafka)),
        // The port opens when logs are recovered, which after a crash takes minutes: 20 of them.
        startup_probe: Some(Rhythm { period: 10, timeout: 5, failures: 120 }.tcp(PORT)),
        liveness_probe: Some(Rhythm { period: 20, timeout: 5, failures: 6 }.tcp(PORT)),
        readiness_probe: Some(Rhythm { period: 10, timeout: 5, failures: 3 }.tcp(PORT)),
        volume_mounts: Some(vec![
            mount(DATA, "/var/lib/kafka/data"),
            mount_read_only("config", CONFIG_DIR),
            mount("tmp", "/tmp"),
        ]),
        ..container(source, Component::Kafka, "kafka", &size)
    }
}

/// The image's own entrypoint knows KRaft only, so its script is called. Variables are set here rather than in the
/// container's environment, where tools that somebody runs in the pod would take them for theirs.
fn start(stack: &Stack) -> String {
    let heap = stack.kafka.heap;
    // For load the heap is taken at once; elsewhere it grows.
    let first = if stack.profile == Profile::Full { heap.to_string() } else { "32M".to_owned() };
    format!(
        "export KAFKA_HEAP_OPTS='-Xms{first} -Xmx{heap}' KAFKA_JVM_PERFORMANCE_OPTS='{}'\n\
         export KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:{CONFIG_DIR}/log4j.properties\n\
         export LOG_DIR=/tmp/logs EXTRA_ARGS='-name kafkaServer'\n\
         exec /opt/kafka/bin/kafka-server-start.sh {CONFIG_DIR}/server.properties \\\n  \
         --override broker.id=${{HOSTNAME##*-}} \\\n  \
         --override advertised.listeners=PLAINTEXT://$HOSTNAME.kafka-headless.{}.svc.{}:{PORT}\n",
        [&jvm::options(stack.profile)[..], &JVM_NAMES].concat().join(" "),
        stack.namespace,
        stack.domain,
    )
}
