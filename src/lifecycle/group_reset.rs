//! Moving a consumer group that has no members: planned first, then committed.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::about::Remedy;
use crate::failure::Failure;
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Group, Groups, Progress};
use crate::kafka::unknown_topic;
use crate::place::From;

/// What a reset would do, or did; `sosstack group reset --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reset {
    pub group: String,
    /// Whether it was carried out.
    pub done: bool,
    pub partitions: Vec<Step>,
}

/// One partition's part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    pub topic: String,
    pub partition: i32,
    /// None where the group had committed nothing.
    pub before: Option<i64>,
    pub after: i64,
    /// The next offset that a producer will write.
    #[serde(skip)]
    pub next: i64,
}

/// Plans to move a group to a place: in these topics, or where they are none, in those in which it has committed
/// something. Changes nothing. Takes [`Groups`] and gives it back, as its calls block.
///
/// # Errors
/// [`Failure::Failed`] when the group has members, or a topic does not exist; others when a broker does not answer.
pub async fn plan(
    mut groups: Groups,
    group: Group,
    progress: Vec<Progress>,
    topics: Vec<String>,
    to: From,
) -> Result<(Groups, Reset)> {
    blocking(move |_| {
        groups.learn(&topics);
        let reset = planned(&groups, &group, progress, &topics, to)?;
        Ok((groups, reset))
    })
    .await
}

fn planned(groups: &Groups, group: &Group, progress: Vec<Progress>, topics: &[String], to: From) -> Result<Reset> {
    if !group.members.is_empty() {
        let members: Vec<&str> = group.members.iter().map(|member| member.client_id.as_str()).collect();
        return Err(Failure::Failed {
            cause: format!("group {} has live members: {}", group.name, members.join(", ")),
            remedy: Remedy::words("stop them first: they would commit their own offsets again"),
        }
        .into());
    }
    let progress = if topics.is_empty() { progress } else { groups.progress_in(&group.name, topics)? };
    let names = || groups.cluster().topics.iter().map(|topic| topic.name.as_str());
    if let Some(unknown) = topics.iter().find(|topic| names().all(|name| name != topic.as_str())) {
        return Err(unknown_topic(groups.about(), unknown, names()).into());
    }
    let offsets = groups.resolve(to, &progress)?;
    let step = |(progress, after): (Progress, i64)| Step {
        topic: progress.topic,
        partition: progress.partition,
        before: progress.committed,
        after,
        next: progress.next,
    };
    let partitions = progress.into_iter().zip(offsets).map(step).collect();
    Ok(Reset { group: group.name.clone(), done: false, partitions })
}

/// Carries a plan out.
///
/// # Errors
/// When the coordinator refuses, as it does while the group has members.
pub async fn carry_out(groups: Groups, reset: Reset) -> Result<Reset> {
    blocking(move |_| {
        let offsets: Vec<(String, i32, i64)> =
            reset.partitions.iter().map(|step| (step.topic.clone(), step.partition, step.after)).collect();
        groups.commit(&reset.group, &offsets)?;
        Ok(Reset { done: true, ..reset })
    })
    .await
}
