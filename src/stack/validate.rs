//! What cannot work although it is well-formed. Every rule is checked; none hides another.

use std::collections::{BTreeMap, HashMap};

use super::device;
use super::ports::BRIDGE;
use super::rules::{is_dns_label, is_dns_name, new_topic_problem, topics_collide};
use super::shape::Problem;
use super::spec::{Scalar, Spec, TopicSpec};
use super::version::numbers;
use super::{Bridge, Persistence, Ports, Stack, has_sqlite};
use crate::similar::similar;

/// More partitions than a laptop's brokers should carry for one topic.
const MOST_PARTITIONS: u16 = 1000;

/// Broker settings that follow from the stack; setting one would tear the stack apart.
const OWN_BROKER_SETTINGS: [&str; 14] = [
    "advertised.listeners",
    "broker.id",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "controller.listener.names",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "node.id",
    "process.roles",
    "zookeeper.connect",
];

/// Topic settings of Kafka 3.9 (org.apache.kafka.common.config.TopicConfig).
const TOPIC_SETTINGS: [&str; 36] = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.difference.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// Everything wrong with the user's spec and the stack that it makes.
pub(super) fn problems(user: &Spec, stack: &Stack) -> Vec<Problem> {
    let mut found = Findings(Vec::new());
    found.names(stack);
    found.versions(stack);
    found.images(stack);
    found.sizes(stack);
    found.limits(stack);
    found.persistence(stack);
    found.ports(stack);
    found.broker_settings(user);
    found.topics(user, stack);
    found.devices(user);
    found.0
}

/// Everything wrong with one topic that is to be made or changed by hand, by the stack file's own rules.
pub fn topic_problems(
    name: &str,
    partitions: Option<u16>,
    config: &BTreeMap<String, String>,
    stack: &Stack,
) -> Vec<String> {
    let config = config.iter().map(|(key, value)| (key.clone(), Scalar::Text(value.clone()))).collect();
    let topic = TopicSpec { name: name.to_owned(), partitions, config: Some(config), description: None };
    let mut found = Findings(Vec::new());
    found.topic("topic", &topic, stack);
    let shorter = |path: &str| path.strip_prefix("topic.").unwrap_or(path).to_owned();
    found.0.into_iter().map(|problem| format!("{}: {}", shorter(&problem.path), problem.words)).collect()
}

struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, path: impl Into<String>, words: impl Into<String>) {
        self.0.push(Problem { path: path.into(), words: words.into() });
    }

    fn names(&mut self, stack: &Stack) {
        if !is_dns_label(&stack.namespace) {
            let words =
                "is not a valid namespace: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends";
            self.add("namespace", format!("{:?} {words}", stack.namespace));
        }
        if !is_dns_name(&stack.domain) {
            self.add("domain", format!("{:?} is not a valid DNS domain, such as cluster.local", stack.domain));
        }
    }

    fn versions(&mut self, stack: &Stack) {
        for (path, version, major) in [
            ("zookeeper.version", &stack.zookeeper.version, 3),
            ("kafka.version", &stack.kafka.version, 3),
            ("mosquitto.version", &stack.mosquitto.version, 2),
        ] {
            let Some([first, second, _]) = numbers(version) else {
                self.add(path, format!("{version:?} is not a valid version: write three numbers, such as 3.9.2"));
                continue;
            };
            if path == "kafka.version" && (first > 3 || (first == 3 && second > 9)) {
                self.add(path, format!("Kafka {version} has no ZooKeeper mode; 3.9 is the last line that has it"));
            } else if first != major {
                self.add(path, format!("{version} is not supported; use {major}.x"));
            }
        }
    }

    fn images(&mut self, stack: &Stack) {
        for (path, image) in [
            ("zookeeper.image", &stack.zookeeper.image),
            ("kafka.image", &stack.kafka.image),
            ("mosquitto.image", &stack.mosquitto.image),
        ] {
            if image.is_empty() || image.contains(|c: char| c.is_whitespace() || c.is_control()) {
                self.add(path, format!("{image:?} is not a valid image name"));
            }
        }
    }

    fn sizes(&mut self, stack: &Stack) {
        for (path, what, size) in
            [("zookeeper.nodes", "nodes", stack.zookeeper.nodes), ("kafka.brokers", "brokers", stack.kafka.brokers)]
        {
            if ![1, 3, 5].contains(&size) {
                let reason = match (path, size) {
                    ("zookeeper.nodes", 2 | 4) => {
                        "; an even number of nodes tolerates no more failures than one node fewer"
                    }
                    _ => "",
                };
                self.add(path, format!("{size} {what} are not supported; use 1, 3 or 5{reason}"));
            }
        }
    }

    fn limits(&mut self, stack: &Stack) {
        let mosquitto = &stack.mosquitto;
        if mosquitto.max_connections == 0 {
            self.add("mosquitto.max_connections", "0 would let nobody in; use 1 or more");
        }
        if mosquitto.max_queued_messages == 0 {
            // https://github.com/eclipse/mosquitto/issues/1956
            self.add("mosquitto.max_queued_messages", "0 means no limit, until memory runs out; use 1 or more");
        }
        if mosquitto.max_inflight_messages == 0 {
            self.add("mosquitto.max_inflight_messages", "0 means no limit; use 1 to 65535");
        }
        if (1..10).contains(&mosquitto.max_keepalive) {
            let words = format!("{} s is too short; use 10 to 65535, or 0 for no limit", mosquitto.max_keepalive);
            self.add("mosquitto.max_keepalive", words);
        }
    }

    fn persistence(&mut self, stack: &Stack) {
        let mosquitto = &stack.mosquitto;
        let version = &mosquitto.version;
        if mosquitto.persistence == Some(Persistence::Sqlite) && numbers(version).is_some() && !has_sqlite(version) {
            let words =
                format!("Mosquitto {version} has no SQLite persistence; name a version from 2.1 on, such as 2.1.2");
            self.add("mosquitto.persistence", words);
        }
        if let Some(plugin) = mosquitto.sqlite_plugin.as_ref().and_then(|plugin| plugin.to_str())
            && (!plugin.starts_with('/') || plugin.contains(char::is_control))
        {
            let words = format!("{plugin:?} is not an absolute path, such as /usr/lib/mosquitto_persist_sqlite.so");
            self.add("mosquitto.sqlite_plugin", words);
        }
    }

    /// No port is 0, beyond 65,535 or wanted twice.
    fn ports(&mut self, stack: &Stack) {
        let Ports { offset, .. } = stack.ports;
        let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
        for (path, first, count) in port_ranges(stack) {
            if first == 0 {
                self.add(path, "0 is not a valid port: use 1 to 65535");
                continue;
            }
            let start = u32::from(first) + u32::from(offset);
            let end = start + u32::from(count) - 1;
            if end > 65_535 {
                let (path, why) = if offset > 0 {
                    ("ports.offset", format!("{offset} moves "))
                } else {
                    (path, "its range leads ".to_owned())
                };
                if !self.0.iter().any(|problem| problem.path == path) {
                    self.add(path, format!("{why}a port to {end}, but ports end at 65535"));
                }
                continue;
            }
            let clash = (start..=end).find_map(|port| taken.get(&port).map(|other| (port, *other)));
            match clash {
                Some((port, other)) => self.add(path, format!("port {port} is also used by {other}")),
                None => taken.extend((start..=end).map(|port| (port, path))),
            }
        }
        let last = Bridge::ALL.map(|bridge| u32::from(BRIDGE) + u32::from(offset) + u32::from(bridge.ordinal()))[1];
        if last > 65_535 && !self.0.iter().any(|problem| problem.path == "ports.offset") {
            self.add("ports.offset", format!("{offset} moves a port to {last}, but ports end at 65535"));
        }
    }

    fn broker_settings(&mut self, user: &Spec) {
        for key in user.kafka.iter().filter_map(|kafka| kafka.config.as_ref()).flat_map(BTreeMap::keys) {
            if OWN_BROKER_SETTINGS.contains(&key.as_str()) || key.starts_with("listener.name.") {
                self.add(format!("kafka.config.{key}"), "sosstack sets this itself, because the stack depends on it");
            }
        }
    }

    fn topics(&mut self, user: &Spec, stack: &Stack) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, topic) in user.topics.iter().flatten().enumerate() {
            let path = format!("topics[{index}]");
            if let Some(first) = seen.insert(&topic.name, index).filter(|_| new_topic_problem(&topic.name).is_none()) {
                self.add(format!("{path}.name"), format!("{} appears twice: also topics[{first}]", topic.name));
            }
            self.topic(&path, topic, stack);
        }
    }

    fn topic(&mut self, path: &str, topic: &TopicSpec, stack: &Stack) {
        if let Some(problem) = new_topic_problem(&topic.name) {
            self.add(format!("{path}.name"), format!("{:?} is not a valid topic name: {problem}", topic.name));
        } else if let Some(other) = stack.topics.iter().find(|other| topics_collide(&other.name, &topic.name)) {
            let words = "Kafka's metrics do not distinguish '.' and '_'";
            self.add(format!("{path}.name"), format!("{} collides with {}: {words}", topic.name, other.name));
        }
        if topic.partitions.is_some_and(|partitions| !(1..=MOST_PARTITIONS).contains(&partitions)) {
            self.add(format!("{path}.partitions"), format!("a topic has 1 to {MOST_PARTITIONS} partitions"));
        }
        for (key, value) in topic.config.iter().flatten() {
            self.topic_setting(&format!("{path}.config.{key}"), key, value, stack);
        }
    }

    fn topic_setting(&mut self, path: &str, key: &str, value: &Scalar, stack: &Stack) {
        let replicas = stack.kafka.replication_factor();
        if key == "replication.factor" {
            self.add(path, format!("cannot be set per topic: all have {replicas}, from the number of brokers"));
        } else if !TOPIC_SETTINGS.contains(&key) {
            let hint = similar(key, TOPIC_SETTINGS.into_iter()).map(|meant| format!("; did you mean {meant:?}?"));
            self.add(path, format!("Kafka 3.9 has no such topic setting{}", hint.unwrap_or_default()));
        } else if key == "min.insync.replicas" {
            let wanted = String::from(value).parse::<u16>().ok();
            if wanted.is_none_or(|wanted| wanted == 0 || wanted > replicas) {
                self.add(path, format!("use 1 to {replicas}, the number of replicas"));
            }
        } else if String::from(value).split(',').any(|one| one.trim().contains(char::is_whitespace)) {
            self.add(
                path,
                format!("{:?} is not a valid value of a topic setting: it contains blanks", String::from(value)),
            );
        }
    }

    fn devices(&mut self, user: &Spec) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, spec) in user.devices.iter().flatten().enumerate() {
            let path = format!("devices[{index}]");
            if let Some(problem) = device::id_problem(&spec.id) {
                self.add(format!("{path}.id"), format!("{:?} is not a valid device id: {problem}", spec.id));
            } else if let Some(first) = seen.insert(&spec.id, index) {
                self.add(format!("{path}.id"), format!("{} appears twice: also devices[{first}]", spec.id));
            }
            if let Some((owner, problem)) = spec.owner.as_ref().and_then(|o| Some((o, device::owner_problem(o)?))) {
                self.add(format!("{path}.owner"), format!("{owner:?} is not a valid user id: {problem}"));
            }
        }
    }
}

fn port_ranges(stack: &Stack) -> [(&'static str, u16, u16); 7] {
    let (ports, nodes, brokers) = (&stack.ports, stack.zookeeper.nodes, stack.kafka.brokers);
    let one = 1;
    [
        ("ports.zookeeper", ports.zookeeper, nodes.max(1)),
        ("ports.zookeeper_peer", ports.zookeeper_peer, nodes.max(1)),
        ("ports.zookeeper_election", ports.zookeeper_election, nodes.max(1)),
        ("ports.kafka", ports.kafka, brokers.max(1)),
        ("ports.mqtt", ports.mqtt, one),
        ("ports.mqtts", ports.mqtts, one),
        ("ports.mqtt_ws", ports.mqtt_ws, one),
    ]
}
