//! The numbers that the platform was planned with.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sosstack::export::kubernetes::Settings;

use crate::objects::{Objects, containers, stack};

/// Thousandths of a core, or mebibytes.
fn amount(quantity: &Quantity) -> i64 {
    let text = quantity.0.as_str();
    let units = [("m", 1), ("Mi", 1), ("Gi", 1024)];
    let of = |(unit, factor): (&str, i64)| Some(text.strip_suffix(unit)?.parse::<i64>().ok()? * factor);
    units.into_iter().find_map(of).unwrap_or_else(|| text.parse::<i64>().unwrap() * 1000)
}

#[test]
fn requests_limits_and_volumes_are_as_planned() {
    let objects = Objects::default_export();
    let planned = [
        ("zookeeper", 3, "250m", "500m", "512Mi", "1Gi", "10Gi"),
        ("kafka", 3, "500m", "2", "1Gi", "2Gi", "100Gi"),
        ("mqtt", 2, "100m", "500m", "128Mi", "512Mi", "10Gi"),
    ];
    let (mut pods, mut cpu, mut memory, mut storage) = (0, 0, 0, 0);
    for (name, replicas, least_cpu, most_cpu, least_memory, most_memory, volume) in planned {
        let spec = objects.stateful_set(name).spec.unwrap();
        assert_eq!(spec.replicas, Some(replicas), "{name}");
        let main = spec.template.spec.unwrap().containers.swap_remove(0);
        assert_eq!(main.name, name);
        let resources = main.resources.unwrap();
        let (requests, limits) = (resources.requests.unwrap(), resources.limits.unwrap());
        let values = [&requests["cpu"], &limits["cpu"], &requests["memory"], &limits["memory"]].map(|q| q.0.as_str());
        assert_eq!(values, [least_cpu, most_cpu, least_memory, most_memory], "{name}");
        let claim = spec.volume_claim_templates.unwrap().swap_remove(0).spec.unwrap();
        let size = claim.resources.unwrap().requests.unwrap()["storage"].clone();
        assert_eq!(size.0, volume, "{name}");
        let count = i64::from(replicas);
        pods += count;
        cpu += count * amount(&requests["cpu"]);
        memory += count * amount(&requests["memory"]);
        storage += count * amount(&size);
    }
    assert_eq!((pods, cpu, memory, storage), (8, 2450, 4864, 350 * 1024));
}

#[test]
fn no_container_asks_for_more_than_it_may_take() {
    for profile in ["laptop", "full"] {
        let objects = Objects::of(&stack(&format!("profile: {profile}")), &Settings::default());
        for (name, template) in objects.templates() {
            for container in containers(&template) {
                let resources = container.resources.unwrap();
                let (requests, limits) = (resources.requests.unwrap(), resources.limits.unwrap());
                for key in ["cpu", "memory", "ephemeral-storage"] {
                    assert!(amount(&requests[key]) <= amount(&limits[key]), "{name}: {}: {key}", container.name);
                }
            }
        }
    }
}

#[test]
fn a_heap_leaves_the_jvm_room() {
    for (file, set) in [("kafka: {heap: 3G}", "kafka"), ("zookeeper: {heap: 64M}", "zookeeper")] {
        let objects = Objects::of(&stack(file), &Settings::default());
        let container = containers(&objects.stateful_set(set).spec.unwrap().template).swap_remove(0);
        let limit = amount(&container.resources.unwrap().limits.unwrap()["memory"]);
        let heap = if set == "kafka" { 3072 } else { 64 };
        assert!(limit >= 2 * heap && limit >= heap + 384, "{set}: {limit}");
    }
}

/// A pod cannot know what its volume was written by, so it looks before it begins with nothing.
#[test]
fn a_mosquitto_with_sqlite_looks_for_what_it_would_leave_behind() {
    let parts = |file: &str| {
        let objects = Objects::of(&stack(file), &Settings::default());
        let all = containers(&objects.stateful_set("mqtt").spec.unwrap().template);
        let server = all.into_iter().find(|container| container.name == "mqtt").unwrap();
        let maps = objects.config_maps();
        let config = maps.iter().find(|map| map.metadata.name.as_deref() == Some("mqtt-config")).unwrap();
        let conf = config.data.as_ref().unwrap()["mosquitto.conf"].clone();
        (server.image.unwrap(), server.command.unwrap(), conf)
    };
    let (image, command, conf) = parts("mosquitto: {version: 2.1.2}");
    assert_eq!(image, "eclipse-mosquitto:2.1.2-alpine");
    assert!(
        conf.contains("\nglobal_plugin /usr/lib/mosquitto_persist_sqlite.so\nplugin_opt_flush_period 0\n"),
        "{conf}"
    );
    assert!(command[0] == "sh" && command[2].contains("exec mosquitto"), "{command:?}");
    assert_eq!(command[4..], ["/mosquitto/data", "/etc/sosstack/mosquitto.conf"]);
    for file in ["", "mosquitto: {version: 2.1.2, persistence: file}"] {
        let (_, command, conf) = parts(file);
        assert_eq!(command, ["mosquitto", "-c", "/etc/sosstack/mosquitto.conf"], "{file}");
        assert!(conf.contains("persistence_file mosquitto.db") && !conf.contains("plugin"), "{conf}");
    }
}

#[test]
fn settings_are_the_published_ones_of_a_cluster() {
    let objects = Objects::default_export();
    let text = |map: &str, file: &str| {
        let found = objects.config_maps().into_iter().find(|found| found.metadata.name.as_deref() == Some(map));
        found.unwrap().data.unwrap()[file].clone()
    };
    let has = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line} is not in {text}");
        }
    };
    has(
        &text("zookeeper-config", "zoo.cfg"),
        &[
            "tickTime=2000",
            "initLimit=10",
            "syncLimit=5",
            "autopurge.snapRetainCount=3",
            "autopurge.purgeInterval=24",
            "4lw.commands.whitelist=stat,ruok,conf,isro,mntr,srvr",
            "clientPort=2181",
        ],
    );
    has(
        &text("kafka-config", "server.properties"),
        &[
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "unclean.leader.election.enable=false",
            "compression.type=snappy",
            "num.io.threads=8",
            "num.network.threads=3",
            "log.segment.bytes=1073741824",
            "log.retention.hours=168",
            "auto.create.topics.enable=false",
            "offsets.topic.replication.factor=3",
            "transaction.state.log.replication.factor=3",
            "transaction.state.log.min.isr=2",
        ],
    );
    has(
        &text("mqtt-config", "mosquitto.conf"),
        &[
            "allow_anonymous false",
            "max_queued_messages 1000",
            "max_inflight_messages 20",
            "max_keepalive 310",
            "max_connections 10000",
            "persistent_client_expiration 7d",
            "listener 1883",
            "listener 9001",
        ],
    );
    let topics = text("kafka-topics", "topics");
    assert_eq!(topics.lines().count(), 14, "13, and the one of the probe: {topics}");
}
