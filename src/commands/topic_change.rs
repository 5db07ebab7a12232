//! `sosstack topic create`, `alter` and `delete`

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::cli::TopicSettings;
use crate::event::Event;
use crate::failure::Failure;
use crate::kafka::admin::{Admin, Cluster, TopicRequest, TopicState};
use crate::kafka::unknown_topic;
use crate::lifecycle::topics;
use crate::stack::{Stack, topic_problems};
use crate::ui::Ui;

/// Partitions of a new topic that does not say.
const PARTITIONS: u16 = 3;

/// The cluster as it is, and who changes it.
pub(super) struct Target<'a> {
    pub(super) stack: &'a Stack,
    pub(super) admin: &'a Admin,
    pub(super) cluster: &'a Cluster,
}

pub(super) async fn create(context: &Context, target: &Target<'_>, settings: &TopicSettings) -> Result<()> {
    let config = checked(target, settings, &[])?;
    if target.cluster.topic(&settings.name).is_some() {
        return Err(Failure::Failed {
            cause: format!("there is a topic {} already", settings.name),
            remedy: format!("change it: sosstack topic alter {}", settings.name),
        }
        .into());
    }
    let request = TopicRequest {
        name: settings.name.clone(),
        partitions: settings.partitions.unwrap_or(PARTITIONS).into(),
        // Another cluster than the stack may be smaller.
        replication_factor: i32::try_from(target.cluster.brokers.len())
            .unwrap_or(i32::MAX)
            .min(target.stack.kafka.replication_factor().into()),
        config,
    };
    let partitions = request.partitions;
    topics::create(target.admin, request).await?;
    done(context, &format!("{} with {partitions} partitions, all replicas in sync", settings.name), &settings.name)
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
            return Err(usage(&format!("{name} is the brokers' own"), "name topics that sosstack topic list shows"));
        }
        if !topics.contains(&name) {
            topics.push(name);
        }
    }
    if !yes {
        super::confirm(
            context,
            &format!("Delete {} with all messages?", topics.join(", ")),
            "nothing was deleted",
            "sosstack topic delete TOPIC --yes",
        )
        .await?;
    }
    topics::delete(target.admin, &topics).await?;
    for name in topics.iter().filter(|name| target.stack.topics.iter().any(|topic| topic.name == **name)) {
        let words = format!("the stack names {name}: the next `sosstack up` or `seed` makes it again, empty");
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
    Ok(target.cluster.topic(name).ok_or_else(|| unknown_topic(name, names()))?)
}

/// The settings as Kafka takes them, by the rules of the stack file.
fn checked(target: &Target<'_>, settings: &TopicSettings, reset: &[String]) -> Result<BTreeMap<String, String>> {
    let config: BTreeMap<String, String> = settings.config.iter().cloned().collect();
    let problems = topic_problems(&settings.name, settings.partitions, &config, target.stack);
    if !problems.is_empty() {
        return Err(usage(&problems.join("\n  "), "sosstack topic create --help"));
    }
    match reset.iter().find(|key| config.contains_key(*key)) {
        Some(key) => Err(usage(&format!("{key} is set and reset at once"), "leave one of them out")),
        None => Ok(config),
    }
}

fn usage(cause: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: cause.to_owned(), remedy: remedy.to_owned() }.into()
}

fn done(context: &Context, words: &str, topic: &str) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "topic": topic }));
    }
    context.ui.say(words);
    Ok(())
}
