//! The bridge from Mosquitto to Kafka in a container, as both exports run it.

use serde::Serialize;

use super::texts;
use crate::stack::device::BRIDGE_USER;
use crate::stack::{Stack, Topic, image, ports};

/// In the bridge's volume.
const JOURNAL: &str = "/var/lib/sosstack/journal";
/// A press as a probe: the silence of emergencies tells nothing.
const PROBE_INTERVAL: &str = "30s";
const STACK_FILE: &str = "sosstack.yaml";
const ROUTES: &str = "routes.yaml";

/// What `make image` makes.
pub const IMAGE: &str = concat!("sosstack:", env!("CARGO_PKG_VERSION"));

/// What an export's bridge does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    pub image: String,
    /// The text of a routes file, valid for the stack.
    pub routes: Option<String>,
    /// Whether emergencies' status is published to people.
    pub emergency_status: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { image: IMAGE.to_owned(), routes: None, emergency_status: false }
    }
}

/// Where a bridge finds things.
pub(super) struct Surroundings<'a> {
    /// `host:port` of the brokers.
    pub brokers: Vec<String>,
    /// `host:port` of the Mosquitto that has its session.
    pub mosquitto: String,
    /// As `--journal-max` takes it; None for the default.
    pub journal_max: Option<String>,
    /// The list of devices' owners, or the directory of such lists.
    pub owners: &'a str,
}

/// What a bridge has to know of the stack: its routes lead into topics that must be there.
#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    topics: Vec<Topic>,
}

/// The files in [`image::OWN_CONFIG`], by name.
pub(super) fn files(stack: &Stack, behaviour: &Behaviour) -> Vec<(&'static str, String)> {
    let topics = stack.topics.iter().map(|topic| Topic { description: String::new(), ..topic.clone() });
    let known = Known { name: stack.name.as_str(), topics: topics.collect() };
    let known = serde_yaml::to_string(&known).expect("a stack file is plain data");
    let routes = behaviour.routes.clone().map(|routes| (ROUTES, routes));
    [(STACK_FILE, known)].into_iter().chain(routes).collect()
}

/// Where its brokers are, as arguments.
pub(super) fn addresses(surroundings: &Surroundings<'_>) -> Vec<String> {
    let Surroundings { brokers, mosquitto, .. } = surroundings;
    texts(&["--bootstrap", &brokers.join(","), "--mqtt", &format!("mqtt://{BRIDGE_USER}@{mosquitto}")])
}

/// All arguments of sosstack.
pub(super) fn arguments(behaviour: &Behaviour, surroundings: &Surroundings<'_>) -> Vec<String> {
    let config = |file: &str| format!("{}/{file}", image::OWN_CONFIG);
    let mut all = texts(&["bridge", "run", "--file", &config(STACK_FILE)]);
    all.extend(addresses(surroundings));
    all.extend(texts(&["--journal", JOURNAL]));
    if let Some(most) = &surroundings.journal_max {
        all.extend(texts(&["--journal-max", most]));
    }
    all.extend(texts(&["--metrics", &format!("0.0.0.0:{}", ports::BRIDGE_IN_POD), "--owners", surroundings.owners]));
    all.extend(texts(&["--probe", PROBE_INTERVAL]));
    if behaviour.routes.is_some() {
        all.extend(texts(&["--routes", &config(ROUTES)]));
    }
    if behaviour.emergency_status {
        all.push("--emergency-status".to_owned());
    }
    all
}
