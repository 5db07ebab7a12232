//! `sosstack topic create`, `alter` and `delete`

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::about::{About, Remedy};
use crate::cli::TopicSettings;
use crate::event::Event;
use crate::failure::Failure;
use crate::kafka::admin::{Admin, Cluster, TopicRequest, TopicState};
use crate::kafka::unknown_topic;
use crate::lifecycle::topics;
use crate::stack::rules::new_topic_problem;
use crate::stack::{Stack, topic_problems};
use crate::ui::Ui;

/// Partitions of a new topic that does not say.
const PARTITIONS: u16 = 3;

/// The cluster as it is, and who changes it.
pub(super) struct Target<'a> {
    /// Whose topics they are.
    pub(super) about: &'a About,
    pub(super) stack: &'a Stack,
    pub(super) admin: &'a Admin,
    pub(super) cluster: &'a Cluster,
}

pub(super) async fn create(context: &Context, target: &Target<'_>, settings: &TopicSettings) -> Result<()> {
    let config = checked(target, settings, &[])?;
    if target.cluster.topic(&settings.name).is_some() {
        return Err(Failure::Failed {
            cause: format!("there is a topic {} already", settings.name),
            remedy: Remedy::words(format!(
                "change it: {}",
                target.about.command(&format!("topic alter {}", settings.name))
            )),
        }
        .into());
    }
    let elsewhere = target.about.is_elsewhere();
    let request = TopicRequest {
        name: settings.name.clone(),
        partitions: settings.partitions.or((!elsewhere).then_some(PARTITIONS)).map(i32::from),
        // What our stack file says is nothing to another cluster.
        replication_factor: (!elsewhere).then(|| target.stack.kafka.replication_factor().into()),
        config,
    };
    let made = topics::create(target.admin, request).await?;
    let (partitions, replicas) = (made.partitions.len(), made.replication_factor());
    let words = format!("{} with {partitions} partitions, all {replicas} replicas in sync", settings.name);
    done(context, &words, &settings.name)
}

pub(super) async fn alter(
    context: &Context,
    target: &Target<'_>,
    settings: &TopicSettings,
    reset: &[String],
) -> Result<()> {
    let topic = existing(target, &settings.name)?;
    let config = checked(target, settings, reset)?;
    if settings.partitions.is_none() && config.is_empty() && reset.is_empty() {
        return Err(usage("nothing to change", "name --partitions N, --config KEY=VALUE or --reset KEY"));
    }
    let has = topic.partitions.len();
    let wanted = settings.partitions.map(usize::from);
    if wanted.is_some_and(|wanted| wanted < has) {
        let cause = format!("{} has {has} partitions, and Kafka cannot take any away", settings.name);
        return Err(usage(&cause, "make another topic with fewer, or delete this one and make it anew"));
    }
    let more = wanted.filter(|wanted| *wanted > has);
    if more.is_some() {
        let words = "keys move to other partitions from now on: the order of one key's messages holds within each \
                     partition only";
        context.ui.report(Event::Warning(words.to_owned()));
    }
    topics::alter(target.admin, &settings.name, more, &config, reset).await?;
    done(context, &format!("{} changed", settings.name), &settings.name)
}

pub(super) async fn delete(context: &Context, target: &Target<'_>, names: &[String], yes: bool) -> Result<()> {
    let mut topics: Vec<String> = Vec::new();
    for name in names {
        let name = existing(target, name)?.name.clone();
        if name.starts_with("__") {
            return Err(usage(
                &format!("{name} is the brokers' own"),
                &format!("name topics that {} shows", target.about.command("topic list")),
            ));
        }
        if !topics.contains(&name) {
            topics.push(name);
        }
    }
    if !yes {
        super::confirm(
            context,
            &format!("Delete {} of {} with all messages?", topics.join(", "), target.about),
            "nothing was deleted",
            target.about,
            "topic delete TOPIC --yes",
        )
        .await?;
    }
    topics::delete(target.admin, &topics).await?;
    let is_seeded = |name: &&String| target.stack.topics.iter().any(|topic| topic.name == **name);
    for name in topics.iter().filter(is_seeded).filter(|_| !target.about.is_elsewhere()) {
        let up = target.about.command("up");
        let words = format!("the stack names {name}: the next `{up}` or `seed` makes it again, empty");
        context.ui.report(Event::Warning(words));
    }
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "deleted": topics }));
    }
    context.ui.say(&format!("{} deleted", topics.join(", ")));
    Ok(())
}

fn existing<'a>(target: &Target<'a>, name: &str) -> Result<&'a TopicState> {
    let names = || target.cluster.topics.iter().map(|topic| topic.name.as_str());
    Ok(target.cluster.topic(name).ok_or_else(|| unknown_topic(target.about, name, names()))?)
}

/// The settings as Kafka takes them: by the rules of the stack file, or of Kafka alone for another cluster, whose brokers
/// have the last word.
fn checked(target: &Target<'_>, settings: &TopicSettings, reset: &[String]) -> Result<BTreeMap<String, String>> {
    let config: BTreeMap<String, String> = settings.config.iter().cloned().collect();
    let problems = if target.about.is_elsewhere() {
        let problem = new_topic_problem(&settings.name);
        problem.map(|problem| format!("{:?} is not a valid topic name: {problem}", settings.name)).into_iter().collect()
    } else {
        topic_problems(&settings.name, settings.partitions, &config, target.stack)
    };
    if !problems.is_empty() {
        return Err(usage(&problems.join("\n  "), "--help says what each option takes"));
    }
    match reset.iter().find(|key| config.contains_key(*key)) {
        Some(key) => Err(usage(&format!("{key} is set and reset at once"), "leave one of them out")),
        None => Ok(config),
    }
}

fn usage(cause: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: cause.to_owned(), remedy: Remedy::words(remedy) }.into()
}

fn done(context: &Context, words: &str, topic: &str) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "topic": topic }));
    }
    context.ui.say(words);
    Ok(())
}
