//! Labels: all that sosstack remembers about containers, volumes and networks, and no secret.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::stack::ports::PortName;
use crate::stack::{Service, StackName};
use crate::workload::PublishedPort;

/// The stack that a thing belongs to; what all lists are filtered by.
pub(super) const STACK: &str = "sosstack.stack";
/// On what all stacks share and any may make again.
pub(super) const CACHE: &str = "sosstack.cache";
const BYTES: &str = "sosstack.bytes";
const SERVICE: &str = "sosstack.service";
const CONFIG_HASH: &str = "sosstack.config-hash";
const PORT_OFFSET: &str = "sosstack.port-offset";
const PORTS: &str = "sosstack.ports";
const VOLUME: &str = "sosstack.volume";
const VERSION: &str = "sosstack.version";
const FORMAT: &str = "sosstack.format";
const LIVE_HASH: &str = "sosstack.live-hash";
const LIVE_FILES: &str = "sosstack.live-files";

pub(super) type Map = HashMap<String, String>;

/// What a container says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerLabels {
    pub stack: StackName,
    pub service: Service,
    pub config_hash: String,
    pub port_offset: u16,
    pub ports: Vec<PublishedPort>,
    /// As the container was made; a reload cannot change labels.
    pub live_hash: String,
    /// Whether it has files that a reload replaces, so that its live hash must be read from itself.
    pub live_files: bool,
}

impl ContainerLabels {
    pub(super) fn to_map(&self) -> Map {
        let mut labels = shared(&self.stack, self.port_offset);
        labels.insert(SERVICE.to_owned(), self.service.to_string());
        labels.insert(CONFIG_HASH.to_owned(), self.config_hash.clone());
        labels.insert(LIVE_HASH.to_owned(), self.live_hash.clone());
        labels.insert(PORTS.to_owned(), ports_to_text(&self.ports));
        if self.live_files {
            labels.insert(LIVE_FILES.to_owned(), "true".to_owned());
        }
        labels
    }

    /// None for a container that no sosstack made.
    pub(super) fn parse(labels: &Map) -> Option<Self> {
        Some(Self {
            stack: stack(labels)?,
            service: labels.get(SERVICE)?.parse().ok()?,
            config_hash: labels.get(CONFIG_HASH)?.clone(),
            port_offset: port_offset(labels)?,
            ports: labels.get(PORTS)?.split(',').filter_map(port_from_text).collect(),
            live_hash: labels.get(LIVE_HASH)?.clone(),
            live_files: labels.contains_key(LIVE_FILES),
        })
    }
}

/// Labels of a network.
pub(super) fn of_network(stack: &StackName, port_offset: u16) -> Map {
    shared(stack, port_offset)
}

/// Labels of a volume. They carry the port offset too, as volumes alone survive `down`.
pub(super) fn of_volume(stack: &StackName, port_offset: u16, volume: &str) -> Map {
    let mut labels = shared(stack, port_offset);
    labels.insert(VOLUME.to_owned(), volume.to_owned());
    labels
}

/// What all stacks share, for a request that lists it.
pub(super) fn cache_filter() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![CACHE.to_owned()])])
}

/// The size that a complete archive of classes was noted down with.
pub(super) fn bytes(labels: &Map) -> Option<u64> {
    labels.get(BYTES)?.parse().ok()
}

/// Labels of a volume that says that an archive of classes is complete.
pub(super) fn of_complete(bytes: u64) -> Map {
    let mut labels = of_cache();
    labels.insert(BYTES.to_owned(), bytes.to_string());
    labels
}

/// Labels of what all stacks share.
pub(super) fn of_cache() -> Map {
    Map::from([(CACHE.to_owned(), "classes".to_owned()), (VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
}

fn shared(stack: &StackName, port_offset: u16) -> Map {
    Map::from([
        (STACK.to_owned(), stack.to_string()),
        (PORT_OFFSET.to_owned(), port_offset.to_string()),
        (VERSION.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        (FORMAT.to_owned(), crate::runtime::FORMAT.to_string()),
    ])
}

/// The format in which labels were written; 1 where they do not say.
pub(super) fn format(labels: &Map) -> u32 {
    labels.get(FORMAT).and_then(|text| text.parse().ok()).unwrap_or(1)
}

pub(super) fn stack(labels: &Map) -> Option<StackName> {
    labels.get(STACK)?.parse().ok()
}

pub(super) fn port_offset(labels: &Map) -> Option<u16> {
    labels.get(PORT_OFFSET)?.parse().ok()
}

pub(super) fn volume(labels: &Map) -> Option<&str> {
    labels.get(VOLUME).map(String::as_str)
}

/// The filter by which the daemon lists one stack's things, or every stack's.
pub(super) fn filter(stack: Option<&StackName>) -> HashMap<String, Vec<String>> {
    let wanted = stack.map_or_else(|| STACK.to_owned(), |name| format!("{STACK}={name}"));
    HashMap::from([("label".to_owned(), vec![wanted])])
}

fn ports_to_text(ports: &[PublishedPort]) -> String {
    let texts: Vec<_> =
        ports.iter().map(|port| format!("{}={}:{}", port.name.as_str(), port.host, port.container)).collect();
    texts.join(",")
}

fn port_from_text(text: &str) -> Option<PublishedPort> {
    let (name, numbers) = text.split_once('=')?;
    let (host, container) = numbers.split_once(':')?;
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    Some(PublishedPort {
        name: PortName::deserialize(name).ok()?,
        host: host.parse().ok()?,
        container: container.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> ContainerLabels {
        ContainerLabels {
            stack: "sos".parse().unwrap(),
            service: Service::mosquitto(),
            config_hash: "0123456789abcdef".to_owned(),
            port_offset: 100,
            ports: vec![
                PublishedPort { name: PortName::Mqtt, host: 1983, container: 1883 },
                PublishedPort { name: PortName::MqttWs, host: 9101, container: 9001 },
            ],
            live_hash: "fedcba9876543210".to_owned(),
            live_files: true,
        }
    }

    #[test]
    fn a_container_says_what_it_was_told() {
        let map = labels().to_map();
        assert_eq!(map["sosstack.ports"], "mqtt=1983:1883,mqtt-ws=9101:9001");
        assert_eq!(ContainerLabels::parse(&map), Some(labels()));

        let bare = ContainerLabels { ports: vec![], live_files: false, ..labels() };
        assert_eq!(ContainerLabels::parse(&bare.to_map()), Some(bare));
    }

    #[test]
    fn containers_of_others_are_not_ours() {
        assert_eq!(ContainerLabels::parse(&Map::new()), None);
        let mut map = labels().to_map();
        map.insert(SERVICE.to_owned(), "grafana".to_owned());
        assert_eq!(ContainerLabels::parse(&map), None);
    }

    #[test]
    fn the_port_offset_outlives_containers_in_volumes() {
        let map = of_volume(&"sos".parse().unwrap(), 7, "kafka-0-data");
        assert_eq!((volume(&map), port_offset(&map)), (Some("kafka-0-data"), Some(7)));
    }
}
