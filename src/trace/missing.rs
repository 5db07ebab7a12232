//! Why a hop of a press did not come, and what to look at. Pure.

use std::time::Duration;

use super::hop::{Kind, Missing};
use super::live::Heard;
use crate::about::{About, Remedy};
use crate::mqtt::sender::Answer;
use crate::observe::Bridges;
use crate::observe::bridges::messages;

/// What is known of bridges where a press did not get to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridging {
    /// They are somebody else's.
    Unknown,
    /// None works; what is known of the stack's own.
    Nobody(String),
    /// One that is not the stack's own has its journal.
    Foreign,
    /// This one works, and so many messages wait in its journal.
    Works { bridge: String, waiting: u64 },
}

impl Bridging {
    /// `foreign`: another bridge than these works with the stack's journal.
    pub fn of(bridges: &Bridges, foreign: bool) -> Self {
        match bridges.active() {
            Some(bridge) => {
                let waiting = bridges.journal().map_or(0, |journal| journal.messages);
                Self::Works { bridge: bridge.to_string(), waiting }
            }
            None if foreign => Self::Foreign,
            None => Self::Nobody(bridges.ready().err().unwrap_or_default()),
        }
    }
}

/// What a press is judged by, beside what was heard.
pub struct Case<'a> {
    pub about: &'a About,
    pub device: &'a str,
    /// As whom the subscriber logged in.
    pub subscriber: &'a str,
    pub topic: &'a str,
    pub timeout: Duration,
    pub bridging: &'a Bridging,
}

/// What did not come. Only the first of what waits for one another is named.
pub(super) fn missing(case: &Case<'_>, heard: &Heard, notes: &mut Vec<String>) -> Vec<Missing> {
    let Case { about, timeout, topic, .. } = case;
    let one = |hop, cause, remedy| Missing { hop, group: None, lag: None, cause, remedy };
    let in_kafka = heard.record(topic).is_some();
    let mut all = Vec::new();
    match &heard.answer {
        Some((Answer::Refused(reason), _)) => {
            let cause = format!("Mosquitto refused the press to {}: {reason}", heard.mqtt_topic);
            let remedy = if about.is_elsewhere() {
                Remedy::words(format!("log in as a user who may publish to {}", heard.mqtt_topic))
            } else {
                about.remedy(&format!("device show {}", case.device)).then(" lists the topics that it reaches")
            };
            return vec![one(Kind::Acknowledged, cause, remedy)];
        }
        None => {
            let why = heard.lost.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let cause = format!("Mosquitto has not acknowledged the press within {timeout:?}{why}");
            all.push(one(Kind::Acknowledged, cause, look(about)));
            if !in_kafka {
                return all;
            }
        }
        Some((Answer::Acknowledged, _)) => {}
    }
    match (&heard.unheard, heard.seen, about.is_elsewhere()) {
        (Some(why), ..) => notes.push(format!("whether subscribers of Mosquitto see it is not known: {why}")),
        (None, None, true) if in_kafka => {
            notes.push(format!(
                "no copy reached a subscriber logged in as {}, which may lack the right to read it",
                case.subscriber
            ));
        }
        (None, None, _) => {
            let cause = format!("no subscriber of Mosquitto has seen the press within {timeout:?}");
            all.push(one(Kind::Seen, cause, look(about)));
        }
        (None, Some(_), _) => {}
    }
    if !in_kafka {
        all.push(not_in_kafka(case, heard));
    }
    all.extend(heard.commits.iter().filter(|commit| commit.at.is_none()).map(|commit| Missing {
        hop: Kind::Committed,
        group: Some(commit.group.clone()),
        lag: commit.lag,
        cause: format!("{} has not committed it within {timeout:?}{}", commit.group, behind(commit.lag)),
        remedy: describe(about, &commit.group),
    }));
    all
}

fn not_in_kafka(case: &Case<'_>, heard: &Heard) -> Missing {
    let Case { about, timeout, topic, bridging, .. } = case;
    let letter = heard.records.iter().map(|(found, _)| found).find(|found| found.topic != *topic);
    let (hop, cause, remedy) = match (letter, bridging) {
        (Some(letter), _) => (
            Kind::InKafka,
            format!(
                "it is among the dead letters ({}): {}",
                letter.topic,
                letter.reason.as_deref().unwrap_or("no reason is given")
            ),
            about
                .remedy(&format!("bridge dlq show {}:{}", letter.partition, letter.offset))
                .then(" shows it; bridge dlq replay sends it again after a fix"),
        ),
        (None, Bridging::Unknown) => (
            Kind::Received,
            format!("nothing reached {topic} within {timeout:?}"),
            Remedy::words(format!(
                "check whether a bridge is connected to that MQTT server and brings presses to {topic}"
            )),
        ),
        (None, Bridging::Nobody(words)) => (
            Kind::Received,
            format!("no bridge takes it from Mosquitto ({words})"),
            Remedy::words(format!(
                "{} starts two beside the stack, {} one in the foreground",
                about.command("up --bridge"),
                about.command("bridge run")
            )),
        ),
        (None, Bridging::Foreign) => (
            Kind::Received,
            format!(
                "a bridge other than the stack's own is using the journal, but nothing reached {topic} within \
                 {timeout:?}"
            ),
            about
                .remedy("bridge journal inspect")
                .then(" shows what is waiting for Kafka; the bridge's own stderr says more"),
        ),
        (None, Bridging::Works { bridge, waiting: 0 }) => (
            Kind::Received,
            format!("{bridge} is working, but nothing reached {topic} within {timeout:?}"),
            about
                .remedy(&format!("logs {bridge}"))
                .then(" shows its log; if its routes bring presses elsewhere, name the topic with --topic"),
        ),
        (None, Bridging::Works { bridge, waiting }) => (
            Kind::InKafka,
            format!("{} in the journal of {bridge}: Kafka is slow or away", waits(*waiting)),
            about.remedy("status").then(&format!(
                " shows the brokers; {} shows what is waiting",
                about.command("bridge journal inspect")
            )),
        ),
    };
    Missing { hop, group: None, lag: None, cause, remedy }
}

fn waits(count: u64) -> String {
    format!("{} {}", messages(count), if count == 1 { "waits" } else { "wait" })
}

/// What to look at where Mosquitto says nothing.
fn look(about: &About) -> Remedy {
    if about.is_elsewhere() {
        Remedy::words("check whether the MQTT server keeps up")
    } else {
        about.remedy("status").then(&format!(" shows its state, {} its log", about.command("logs mosquitto")))
    }
}

pub(super) fn describe(about: &About, group: &str) -> Remedy {
    about.remedy(&format!("group describe {group}")).then(" shows its members and how far they are")
}

pub(super) fn behind(lag: Option<i64>) -> String {
    lag.map(|lag| format!(", lag {lag}")).unwrap_or_default()
}
