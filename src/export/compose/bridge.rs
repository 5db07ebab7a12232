//! The bridge from Mosquitto to Kafka, for whoever asks for its profile.

use std::collections::BTreeMap;
use std::path::Path;

use super::configs::{self, Configs, HASH_LABEL};
use super::health;
use super::helpers::{BRIDGE_PASSWORDS_VOLUME, CREDENTIALS, TOPICS};
use super::model::{ComposeService, NetworkAttachment, Restart};
use super::parts::{completed, hardened, started};
use crate::export::bridge::{self, Behaviour, Surroundings};
use crate::stack::device::{BRIDGE_USER, PROBE_USER};
use crate::stack::owner_list::OwnerList;
use crate::stack::ports::{self, PortName};
use crate::stack::{Bridge, Service, Stack, image, sizes};

/// The service, and the profile that brings it up.
pub(super) const BRIDGE: &str = "bridge";
/// The volume with the journal.
pub(super) const JOURNAL_VOLUME: &str = "bridge-data";
const OWNERS: &str = "owners";

pub(super) fn bridge(stack: &Stack, behaviour: &Behaviour, configs: &mut Configs) -> ComposeService {
    let dir = Path::new(image::OWN_CONFIG);
    let owners = dir.join(OWNERS);
    let passwords = format!("{}/credentials", image::OWN_RUN);
    let surroundings = Surroundings {
        brokers: (0..stack.kafka.brokers).map(|broker| address(Service::kafka(broker), PortName::Kafka)).collect(),
        mosquitto: address(Service::mosquitto(), PortName::Mqtt),
        journal_max: None,
        owners: &owners.display().to_string(),
    };
    let mut files: Vec<(String, String)> =
        bridge::files(stack, behaviour).into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    files.push((OWNERS.to_owned(), owners_of(stack)));
    let mount = |(name, text): &(String, String)| configs.mount(format!("bridge-{name}"), &dir.join(name), text);
    ComposeService {
        image: behaviour.image.clone(),
        profiles: vec![BRIDGE.to_owned()],
        entrypoint: vec!["sosstack".to_owned()],
        command: bridge::arguments(behaviour, &surroundings),
        user: format!("{0}:{0}", image::BRIDGE_USER),
        environment: [("MQTT", BRIDGE_USER), ("PROBE", PROBE_USER)]
            .map(|(of, user)| (format!("SOSSTACK_{of}_PASSWORD_FILE"), format!("{passwords}/{user}")))
            .into(),
        depends_on: vec![completed(CREDENTIALS), completed(TOPICS)]
            .into_iter()
            .chain(started([Service::mosquitto()]))
            .collect(),
        restart: Some(Restart::UnlessStopped),
        stop_grace_period: Some(format!("{}s", sizes::BRIDGE_GRACE.as_secs())),
        healthcheck: Some(health::bridge(&bridge::addresses(&surroundings))),
        ports: vec![format!("127.0.0.1:{}:{}", stack.ports.bridge(Bridge::ALL[0]), ports::BRIDGE_IN_POD)],
        networks: BTreeMap::from([("default".to_owned(), NetworkAttachment { aliases: Vec::new() })]),
        volumes: vec![
            format!("{JOURNAL_VOLUME}:{}", image::BRIDGE_DATA),
            format!("{BRIDGE_PASSWORDS_VOLUME}:{passwords}:ro"),
        ],
        labels: BTreeMap::from([(HASH_LABEL.to_owned(), configs::hash(files.iter().map(|(_, text)| text.as_str())))]),
        configs: files.iter().map(mount).collect(),
        mem_limit: "256m".to_owned(),
        ..hardened()
    }
}

fn address(service: Service, port: PortName) -> String {
    format!("{service}:{}", port.number())
}

fn owners_of(stack: &Stack) -> String {
    stack.devices.iter().filter_map(|device| Some(OwnerList::line(&device.id, device.owner.as_ref()?))).collect()
}
