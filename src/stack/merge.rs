//! From specs to the stack: the user's over the built-in one.

use std::collections::BTreeMap;

use super::place::Place;
use super::spec::{Extends, Scalar, Spec};
use super::{Device, Ensemble, Kafka, Mosquitto, Ports, Profile, Stack, StackName, Topic};

const STACK: &str = include_str!("../../seed-data/stack.yaml");
const TOPICS: &str = include_str!("../../seed-data/topics.yaml");
const CLUSTER: &str = include_str!("../../seed-data/cluster.yaml");
const DEVICES: &str = include_str!("../../seed-data/devices.yaml");

/// Partitions of a topic that does not say.
const PARTITIONS: u16 = 3;

/// The built-in stack, as one spec.
pub(super) fn seed() -> Spec {
    let parse = |text| serde_yaml::from_str::<Spec>(text).expect("seed data is valid: a test reads it");
    Spec { topics: parse(TOPICS).topics, devices: parse(DEVICES).devices, ..parse(STACK) }
}

/// What a cluster has that a laptop has not. It names nothing but what is read by layers below.
fn cluster() -> Spec {
    serde_yaml::from_str(CLUSTER).expect("seed data is valid: a test reads it")
}

/// The effective stack of a user's spec.
pub(super) fn stack(user: &Spec, place: Place) -> Stack {
    let seed = seed();
    let between = if place == Place::Cluster { cluster() } else { Spec::default() };
    let extends_seed = user.extends.unwrap_or_default() == Extends::Seed;
    let specs: Vec<&Spec> = if extends_seed { vec![&seed, user] } else { vec![user] };
    let user_or_seed = Layers { layers: [user, &between, &seed], place };
    let (ensemble, kafka, mosquitto) = (user_or_seed.ensemble(), user_or_seed.kafka(), user_or_seed.mosquitto());
    Stack {
        name: user_or_seed.name(),
        namespace: user_or_seed.text(|spec| spec.namespace.clone()),
        domain: user_or_seed.text(|spec| spec.domain.clone()),
        profile: user_or_seed.profile(),
        ports: user_or_seed.ports(),
        zookeeper: ensemble,
        kafka,
        mosquitto,
        topics: topics(&specs),
        devices: devices(&specs),
    }
}

/// Three layers; an upper one's values hide a lower one's. The lowest is complete.
struct Layers<'a> {
    layers: [&'a Spec; 3],
    place: Place,
}

impl Layers<'_> {
    fn optional<T>(&self, get: impl Fn(&Spec) -> Option<T>) -> Option<T> {
        self.layers.into_iter().find_map(get)
    }

    fn value<T>(&self, get: impl Fn(&Spec) -> Option<T>) -> T {
        self.optional(get).expect("seed data names every value")
    }

    fn text(&self, get: impl Fn(&Spec) -> Option<String>) -> String {
        self.value(get)
    }

    fn name(&self) -> StackName {
        self.value(|spec| spec.name.clone())
    }

    fn profile(&self) -> Profile {
        self.optional(|spec| spec.profile).unwrap_or_default()
    }

    fn ports(&self) -> Ports {
        let port =
            |get: fn(&super::spec::PortsSpec) -> Option<u16>| self.value(|spec| spec.ports.as_ref().and_then(get));
        Ports {
            offset: port(|ports| ports.offset),
            zookeeper: port(|ports| ports.zookeeper),
            zookeeper_peer: port(|ports| ports.zookeeper_peer),
            zookeeper_election: port(|ports| ports.zookeeper_election),
            kafka: port(|ports| ports.kafka),
            mqtt: port(|ports| ports.mqtt),
            mqtts: port(|ports| ports.mqtts),
            mqtt_ws: port(|ports| ports.mqtt_ws),
        }
    }

    fn ensemble(&self) -> Ensemble {
        let version = self.text(|spec| spec.zookeeper.as_ref()?.version.clone());
        let image = self.optional(|spec| spec.zookeeper.as_ref()?.image.clone());
        let heap = self.optional(|spec| spec.zookeeper.as_ref()?.heap);
        Ensemble {
            image: image.unwrap_or_else(|| format!("zookeeper:{version}")),
            version,
            nodes: self.value(|spec| spec.zookeeper.as_ref()?.nodes),
            heap: heap.unwrap_or(self.profile().zookeeper_heap(self.place)),
        }
    }

    fn kafka(&self) -> Kafka {
        let version = self.text(|spec| spec.kafka.as_ref()?.version.clone());
        let image = self.optional(|spec| spec.kafka.as_ref()?.image.clone());
        let heap = self.optional(|spec| spec.kafka.as_ref()?.heap);
        let config = self.optional(|spec| spec.kafka.as_ref()?.config.as_ref().map(texts));
        Kafka {
            image: image.unwrap_or_else(|| format!("apache/kafka:{version}")),
            version,
            brokers: self.value(|spec| spec.kafka.as_ref()?.brokers),
            heap: heap.unwrap_or(self.profile().kafka_heap()),
            compression: self.value(|spec| spec.kafka.as_ref()?.compression),
            config: config.unwrap_or_default(),
        }
    }

    fn mosquitto(&self) -> Mosquitto {
        let version = self.text(|spec| spec.mosquitto.as_ref()?.version.clone());
        let image = self.optional(|spec| spec.mosquitto.as_ref()?.image.clone());
        Mosquitto {
            image: image.unwrap_or_else(|| Mosquitto::official_image(&version)),
            version,
            max_connections: self.value(|spec| spec.mosquitto.as_ref()?.max_connections),
            max_queued_messages: self.value(|spec| spec.mosquitto.as_ref()?.max_queued_messages),
            max_inflight_messages: self.value(|spec| spec.mosquitto.as_ref()?.max_inflight_messages),
            max_keepalive: self.value(|spec| spec.mosquitto.as_ref()?.max_keepalive),
            persistence: self.optional(|spec| spec.mosquitto.as_ref()?.persistence),
            sqlite_plugin: self.optional(|spec| spec.mosquitto.as_ref()?.sqlite_plugin.clone()),
        }
    }
}

fn texts(config: &BTreeMap<String, Scalar>) -> BTreeMap<String, String> {
    config.iter().map(|(key, value)| (key.clone(), value.into())).collect()
}

fn topics(specs: &[&Spec]) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for spec in specs.iter().flat_map(|spec| spec.topics.iter().flatten()) {
        let index = topics.iter().position(|topic| topic.name == spec.name).unwrap_or_else(|| {
            topics.push(Topic {
                name: spec.name.clone(),
                partitions: PARTITIONS,
                config: BTreeMap::new(),
                description: String::new(),
            });
            topics.len() - 1
        });
        let topic = &mut topics[index];
        topic.partitions = spec.partitions.unwrap_or(topic.partitions);
        let config = spec.config.as_ref().map(texts).unwrap_or_default();
        topic.config.extend(config.into_iter().map(|(key, value)| (key, without_blanks(&value))));
        if let Some(description) = &spec.description {
            topic.description.clone_from(description);
        }
    }
    topics
}

/// Kafka takes `compact, delete` for a list; scripts split their lines at the blank.
fn without_blanks(value: &str) -> String {
    value.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}

fn devices(specs: &[&Spec]) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for spec in specs.iter().flat_map(|spec| spec.devices.iter().flatten()) {
        match devices.iter_mut().find(|device| device.id == spec.id) {
            Some(device) => device.owner = spec.owner.clone().or_else(|| device.owner.clone()),
            None => devices.push(Device { id: spec.id.clone(), owner: spec.owner.clone() }),
        }
    }
    devices
}
