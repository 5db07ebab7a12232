//! The stack for Docker Compose: what `sosstack up` makes in Docker, for people without sosstack.
//!
//! One file with everything in it, so that it can be piped and nothing is bind-mounted; and a README for whoever is
//! handed the directory. What `sosstack` itself would do is done by three more services: `credentials`, `topics` and
//! `ready`. The bridge to Kafka is a profile.

mod bridge;
mod configs;
mod health;
mod helpers;
mod mark;
pub mod model;
mod parts;
mod readme;
mod servers;

use serde_yaml::Value;

use self::bridge::BRIDGE;
use self::configs::Configs;
use self::helpers::{BRIDGE_PASSWORDS_VOLUME, CREDENTIALS, CREDENTIALS_VOLUME, PASSWORDS_VOLUME, READY, TOPICS};
use self::model::{ComposeFile, Empty};
use super::ExportedFile;
use super::bridge::Behaviour;
use crate::stack::Stack;

pub use mark::MARK;

/// The files of the export, `compose.yaml` first.
pub fn render(stack: &Stack, bridge: &Behaviour) -> Vec<ExportedFile> {
    vec![
        ExportedFile { name: "compose.yaml".into(), contents: compose_yaml(stack, bridge) },
        ExportedFile { name: "README.md".into(), contents: readme::readme(stack) },
    ]
}

/// The whole Compose file.
pub fn compose_yaml(stack: &Stack, bridge: &Behaviour) -> String {
    let mut value = serde_yaml::to_value(compose_file(stack, bridge)).expect("a Compose file is plain data");
    escape(&mut value);
    let body = serde_yaml::to_string(&value).expect("a Compose file is YAML");
    format!(
        "# {MARK}: ZooKeeper, Kafka and Mosquitto on 127.0.0.1. Changes are lost at the next export;
# put your own into compose.override.yaml.
#
#   docker compose up --wait                                     # everything, with its topics
#   docker compose --profile bridge up --wait                    # and the bridge from MQTT to Kafka
#   docker compose run --rm -T credentials show sos_service      # the backend's MQTT password
#
# Needs Docker 20.10 and Compose 2.23.1, or later ones. In configs, Compose reads $$ as $. More in README.md.
{body}"
    )
}

fn compose_file(stack: &Stack, bridge: &Behaviour) -> ComposeFile {
    let workloads = servers::workloads(stack);
    let mut configs = Configs::default();
    let mut services = Vec::new();
    for workload in &workloads {
        let service = servers::server(stack, workload, &workloads, &mut configs);
        services.push((workload.service.to_string(), service));
    }
    services.push((CREDENTIALS.to_owned(), helpers::credentials(stack, &mut configs)));
    services.push((TOPICS.to_owned(), helpers::topics(stack, &mut configs)));
    services.push((READY.to_owned(), helpers::ready(stack)));
    services.push((BRIDGE.to_owned(), bridge::bridge(stack, bridge, &mut configs)));
    let data = workloads.iter().flat_map(|workload| workload.volumes.iter().map(|volume| volume.name.clone()));
    let others = [CREDENTIALS_VOLUME, PASSWORDS_VOLUME, BRIDGE_PASSWORDS_VOLUME, bridge::JOURNAL_VOLUME];
    ComposeFile {
        name: stack.name.to_string(),
        services,
        volumes: data.chain(others.map(str::to_owned)).map(|name| (name, Empty {})).collect(),
        configs: configs.into_entries(),
    }
}

/// Compose replaces `$NAME` in every value; none is meant for it.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Sequence(items) => items.iter_mut().for_each(escape),
        Value::Mapping(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}
