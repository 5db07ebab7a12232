//! What a user asks of topics: checked against the rules and what the cluster has, then done.

use std::collections::BTreeMap;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::topics;
use crate::about::{About, Remedy};
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::kafka::admin::{Admin, Cluster, TopicRequest, TopicState};
use crate::kafka::unknown_topic;
use crate::stack::rules::new_topic_problem;
use crate::stack::{Stack, topic_problems};

/// Partitions of a new topic that does not say.
const PARTITIONS: u16 = 3;

/// The cluster as it is, and who changes it.
pub struct Target<'a> {
    /// Whose topics they are.
    pub about: &'a About,
    pub stack: &'a Stack,
    pub admin: &'a Admin,
    pub cluster: &'a Cluster,
}

/// What a topic is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish<'a> {
    pub name: &'a str,
    /// In all.
    pub partitions: Option<u16>,
    pub config: &'a [(String, String)],
}

/// A topic that was made or changed; `sosstack topic create --output json`, and `alter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changed {
    pub topic: String,
    /// What was done, for people.
    #[serde(skip)]
    pub words: String,
}

/// Topics that are gone; `sosstack topic delete --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deleted {
    pub deleted: Vec<String>,
}

/// Makes a topic; all its replicas are in sync when this returns.
///
/// # Errors
/// A [`Failure`] when there is one already or the wish breaks a rule; others when the cluster refuses it or does not finish
/// in time.
pub async fn create(target: &Target<'_>, wish: &Wish<'_>) -> Result<Changed> {
    let config = checked(target, wish, &[])?;
    let name = wish.name;
    if target.cluster.topic(name).is_some() {
        return Err(Failure::Failed {
            cause: format!("topic {name} already exists"),
            remedy: Remedy::words(format!("change it: {}", target.about.command(&format!("topic alter {name}")))),
        }
        .into());
    }
    let elsewhere = target.about.is_elsewhere();
    let request = TopicRequest {
        name: name.to_owned(),
        partitions: wish.partitions.or((!elsewhere).then_some(PARTITIONS)).map(i32::from),
        // What our stack file says is nothing to another cluster.
        replication_factor: (!elsewhere).then(|| target.stack.kafka.replication_factor().into()),
        config,
    };
    let made = topics::create(target.admin, request).await?;
    let (partitions, replicas) = (made.partitions.len(), made.replication_factor());
    let words = format!("{name} with {partitions} partitions, all {replicas} replicas in sync");
    Ok(Changed { topic: name.to_owned(), words })
}

/// Adds partitions to a topic, changes settings, and takes those of `reset` back to their defaults.
///
/// # Errors
/// As for [`create`]; also when there is nothing to change, or Kafka cannot do it.
pub async fn alter(target: &Target<'_>, wish: &Wish<'_>, reset: &[String], report: Report<'_>) -> Result<Changed> {
    let topic = existing(target, wish.name)?;
    let config = checked(target, wish, reset)?;
    if wish.partitions.is_none() && config.is_empty() && reset.is_empty() {
        return Err(usage("nothing to change", "name --partitions N, --config KEY=VALUE or --reset KEY"));
    }
    let has = topic.partitions.len();
    let wanted = wish.partitions.map(usize::from);
    if wanted.is_some_and(|wanted| wanted < has) {
        let cause = format!("{} has {has} partitions, and Kafka cannot remove any", wish.name);
        return Err(usage(&cause, "create another topic with fewer, or delete this one and create it again"));
    }
    let more = wanted.filter(|wanted| *wanted > has);
    if more.is_some() {
        let words =
            "keys map to other partitions from now on: the messages of one key are only in order within each partition";
        report(Event::Warning(words.to_owned()));
    }
    topics::alter(target.admin, wish.name, more, &config, reset).await?;
    Ok(Changed { topic: wish.name.to_owned(), words: format!("{} changed", wish.name) })
}

/// Which topics names mean that are to be deleted, each once. Changes nothing.
///
/// # Errors
/// A [`Failure`] when one does not exist, or is the brokers' own.
pub fn deletable(target: &Target<'_>, names: &[String]) -> Result<Vec<String>> {
    let mut topics: Vec<String> = Vec::new();
    for name in names {
        let name = existing(target, name)?.name.clone();
        if name.starts_with("__") {
            return Err(usage(
                &format!("{name} is an internal topic of the brokers"),
                &format!("name a topic listed by {}", target.about.command("topic list")),
            ));
        }
        if !topics.contains(&name) {
            topics.push(name);
        }
    }
    Ok(topics)
}

/// Deletes topics with all their messages.
///
/// # Errors
/// When the cluster refuses or does not finish in time.
pub async fn delete(target: &Target<'_>, topics: Vec<String>, report: Report<'_>) -> Result<Deleted> {
    topics::delete(target.admin, &topics).await?;
    let is_seeded = |name: &&String| target.stack.topics.iter().any(|topic| topic.name == **name);
    for name in topics.iter().filter(is_seeded).filter(|_| !target.about.is_elsewhere()) {
        let up = target.about.command("up");
        let words = format!("{name} belongs to the stack: the next `{up}` or `seed` creates it again, empty");
        report(Event::Warning(words));
    }
    Ok(Deleted { deleted: topics })
}

fn existing<'a>(target: &Target<'a>, name: &str) -> Result<&'a TopicState> {
    let names = || target.cluster.topics.iter().map(|topic| topic.name.as_str());
    Ok(target.cluster.topic(name).ok_or_else(|| unknown_topic(target.about, name, names()))?)
}

/// The settings as Kafka takes them: by the rules of the stack file, or of Kafka alone for another cluster, whose brokers
/// have the last word.
fn checked(target: &Target<'_>, wish: &Wish<'_>, reset: &[String]) -> Result<BTreeMap<String, String>> {
    let config: BTreeMap<String, String> = wish.config.iter().cloned().collect();
    let problems = if target.about.is_elsewhere() {
        let problem = new_topic_problem(wish.name);
        problem.map(|problem| format!("{:?} is not a valid topic name: {problem}", wish.name)).into_iter().collect()
    } else {
        topic_problems(wish.name, wish.partitions, &config, target.stack)
    };
    if !problems.is_empty() {
        return Err(usage(&problems.join("\n  "), "--help says what each option takes"));
    }
    match reset.iter().find(|key| config.contains_key(*key)) {
        Some(key) => Err(usage(&format!("{key} is both set and reset"), "leave one of them out")),
        None => Ok(config),
    }
}

fn usage(cause: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: cause.to_owned(), remedy: Remedy::words(remedy) }.into()
}
