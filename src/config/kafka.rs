//! `server.properties` of a broker in ZooKeeper mode.

use std::path::Path;

use super::properties::Properties;
use crate::stack::names::cluster_name;
use crate::stack::ports::{KAFKA_EXTERNAL, PortName};
use crate::stack::{Service, Stack};
use crate::target::Target;

/// Where brokers keep what is theirs in ZooKeeper, which applications use as well.
pub const CHROOT: &str = "/kafka";

/// Of the topic that keeps groups' offsets; the brokers take the number from their configuration.
pub const OFFSETS_PARTITIONS: u16 = 6;

/// One broker's configuration, or that of all pods, which add `broker.id` and `advertised.listeners`; the user's `kafka.config` is applied last.
pub fn server_properties(stack: &Stack, service: Service, target: &Target, log_dirs: &Path) -> String {
    let mut properties = Properties::default();
    let is_local = *target != Target::Kubernetes;
    if is_local {
        properties.set("broker.id", service.ordinal);
    }
    properties
        .set("log.dirs", log_dirs.display())
        .set("zookeeper.connect", zookeeper_connect(stack, target))
        // Everything starts at once: a broker waits for the ensemble instead of giving up.
        .set("zookeeper.connection.timeout.ms", 60_000);
    if is_local {
        // A broker that was killed can return once its session is gone: 6 s instead of 18 s.
        properties.set("zookeeper.session.timeout.ms", 6000);
    }
    listeners(&mut properties, stack, service, target);
    durability(&mut properties, stack);
    if is_local {
        laptop(&mut properties);
    }
    for (key, value) in &stack.kafka.config {
        properties.set(key, value);
    }
    properties.render()
}

fn listeners(properties: &mut Properties, stack: &Stack, service: Service, target: &Target) {
    let (port, host_port) = (PortName::Kafka.number(), stack.ports.kafka(service.ordinal));
    match target {
        Target::Docker => properties
            .set("listeners", format!("INTERNAL://:{port},EXTERNAL://:{KAFKA_EXTERNAL}"))
            .set(
                "advertised.listeners",
                format!("INTERNAL://{}:{port},EXTERNAL://127.0.0.1:{host_port}", cluster_name(stack, service)),
            )
            .set("listener.security.protocol.map", "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT")
            .set("inter.broker.listener.name", "INTERNAL"),
        // What is advertised differs from pod to pod: their command says it.
        Target::Kubernetes => properties.set("listeners", format!("PLAINTEXT://:{port}")),
        // 127.0.0.1 rather than localhost, which many resolvers answer with ::1 first.
        Target::Process(_) => properties
            .set("listeners", format!("PLAINTEXT://127.0.0.1:{host_port}"))
            .set("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{host_port}")),
    };
}

fn durability(properties: &mut Properties, stack: &Stack) {
    let (replicas, min_isr) = (stack.kafka.replication_factor(), stack.kafka.min_insync_replicas());
    properties
        .set("default.replication.factor", replicas)
        .set("min.insync.replicas", min_isr)
        .set("offsets.topic.replication.factor", replicas)
        .set("transaction.state.log.replication.factor", replicas)
        .set("transaction.state.log.min.isr", min_isr)
        .set("unclean.leader.election.enable", false)
        .set("auto.create.topics.enable", false)
        .set("compression.type", stack.kafka.compression.as_str())
        .set("num.io.threads", 8)
        .set("num.network.threads", 3)
        .set("log.segment.bytes", 1_073_741_824)
        .set("log.retention.hours", 168);
}

/// What only shortens waiting on one machine and changes nothing that applications rely on.
fn laptop(properties: &mut Properties) {
    properties
        .set("group.initial.rebalance.delay.ms", 0)
        .set("controlled.shutdown.retry.backoff.ms", 200)
        // Kafka's 50 partitions spread the offsets of many groups over many brokers.
        .set("offsets.topic.num.partitions", OFFSETS_PARTITIONS)
        .set("transaction.state.log.num.partitions", 6);
}

fn zookeeper_connect(stack: &Stack, target: &Target) -> String {
    let port = PortName::Zookeeper.number();
    let nodes = (0..stack.zookeeper.nodes).map(|ordinal| match target {
        Target::Docker | Target::Kubernetes => format!("{}:{port}", cluster_name(stack, Service::zookeeper(ordinal))),
        Target::Process(_) => format!("127.0.0.1:{}", stack.ports.zookeeper(ordinal)),
    });
    format!("{}{CHROOT}", nodes.collect::<Vec<_>>().join(","))
}
