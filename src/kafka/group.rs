//! Reading as a member of a consumer group.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::consume::{Consumer, Ears, Plan};
use super::follow::{Ends, follow};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::reading::{From, PATIENCE, Told, Until};

/// Between two looks at whether partitions were assigned.
const LOOK: Duration = Duration::from_millis(20);

/// How a reader takes part in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub group: String,
    /// Commits what was told.
    pub ack: bool,
    /// Although it takes partitions from members that are there.
    pub join: bool,
}

/// Where a member begins in partitions that have no committed offset.
pub(super) fn reset(plan: &Plan) -> &'static str {
    match (&plan.group, plan.from) {
        (None, _) => "error",
        (Some(_), From::Beginning) => "earliest",
        (Some(_), _) => "latest",
    }
}

/// Joins, and tells what the group has not acknowledged yet.
pub(super) fn read(
    consumer: &Consumer,
    membership: &Membership,
    topics: &[String],
    ears: &Ears,
    stop: &CancellationToken,
    ready: &mut dyn FnMut(Vec<String>) -> bool,
) -> Result<()> {
    refuse_to_disturb(consumer, membership)?;
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&names).with_context(|| format!("joining group {}", membership.group))?;
    let deadline = Instant::now() + PATIENCE;
    while consumer.assignment().context("asking for the assignment")?.count() == 0 {
        if stop.is_cancelled() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(Failure::Failed {
                cause: format!("group {} gave this member no partition within {PATIENCE:?}", membership.group),
                remedy: (consumer.context().about)
                    .remedy(&format!("group describe {}", membership.group))
                    .then(" shows who has them"),
            });
        }
        // No message can come before the assignment, which is looked at after each poll.
        if let Some(Err(error)) = consumer.poll(LOOK) {
            super::follow::fatal(&error)?;
        }
    }
    if !ready(topics.to_vec()) {
        return Ok(());
    }
    let mut ends = Ends::new(&[], Until::Never);
    let mut committed = TopicPartitionList::new();
    let mut commit = || if membership.ack { acknowledge(consumer, &mut committed) } else { Ok(()) };
    let read = follow(consumer, &mut ends, Until::Never, ears, stop, &mut commit);
    // Only what has been seen is acknowledged: a closed pipe breaks off here.
    if read.is_ok() && (ears.tell)(Told::Idle).is_continue() {
        commit()?;
    }
    consumer.unsubscribe();
    read
}

fn refuse_to_disturb(consumer: &Consumer, membership: &Membership) -> Result<()> {
    if membership.join {
        return Ok(());
    }
    let name = &membership.group;
    let list = consumer.fetch_group_list(Some(name), PATIENCE).with_context(|| format!("asking for group {name}"))?;
    let members: usize = list.groups().iter().map(|group| group.members().len()).sum();
    if members == 0 {
        return Ok(());
    }
    let noun = if members == 1 { "member" } else { "members" };
    bail!(Failure::Failed {
        cause: format!("group {name} has {members} live {noun}, who would lose partitions to this reader"),
        remedy: Remedy::words(
            "read without --group, with a group of your own, or with --join to take part all the same"
        ),
    })
}

/// Commits the positions: everything before them has been told and seen.
fn acknowledge(consumer: &Consumer, committed: &mut TopicPartitionList) -> Result<()> {
    let positions = consumer.position().context("asking for positions")?;
    let mut news = TopicPartitionList::new();
    for element in positions.elements() {
        if matches!(element.offset(), Offset::Offset(_)) {
            let (topic, partition) = (element.topic(), element.partition());
            news.add_partition_offset(topic, partition, element.offset()).context("naming an offset")?;
        }
    }
    if news.count() == 0 || news == *committed {
        return Ok(());
    }
    consumer.commit(&news, CommitMode::Sync).context("committing offsets")?;
    *committed = news;
    Ok(())
}
