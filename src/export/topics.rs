//! The topics, and the script that makes them: the same one in both exports.

use std::fmt::Write;
use std::time::Duration;

use crate::stack::ports::PortName;
use crate::stack::{Service, Stack, Topic};

pub(super) const SCRIPT: &str = include_str!("scripts/topics.sh");

/// What the script is given: how long it may take, how many replicas a topic has, and where the brokers are, which have
/// these names.
pub(super) fn arguments(stack: &Stack, patience: Duration, name: impl Fn(Service) -> String) -> Vec<String> {
    let brokers = (0..stack.kafka.brokers).map(Service::kafka);
    let addresses = brokers.map(|broker| format!("{}:{}", name(broker), PortName::Kafka.number()));
    let numbers = [patience.as_secs().to_string(), stack.kafka.replication_factor().to_string()];
    numbers.into_iter().chain(addresses).collect()
}

/// One topic per line: `name partitions setting=value …`. The probe's topic, through which a bridge is proven, is included.
pub(super) fn list(stack: &Stack) -> String {
    let mut text = String::new();
    for Topic { name, partitions, config, .. } in stack.topics.iter().chain([&Topic::probe()]) {
        write!(text, "{name} {partitions}").expect("writing to a string succeeds");
        for (key, value) in config {
            write!(text, " {key}={value}").expect("as above");
        }
        text.push('\n');
    }
    text
}
