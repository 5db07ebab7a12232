//! Reading as a member of a consumer group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::Consumer as _;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::ends::Ends;
use super::follow::Follower;
use super::member::Member;
use super::native::{Event, Queue};
use super::offsets::Part;
use super::plan::{Consumer, Ears, Membership, Plan};
use super::topics::{Ids, Lookout};
use super::troubles::Troubles;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::place::Until;
use crate::stream::Told;

/// Between two looks at whether partitions were assigned.
const LOOK: Duration = Duration::from_millis(20);

/// Joins, and tells what the group has not acknowledged yet.
pub(super) fn read(
    consumer: &Arc<Consumer>,
    membership: &Membership,
    (topics, parts, cluster, ids): (&[String], &[Part], &Cluster, &Ids),
    (plan, ears, stop): (&Plan, &Ears, &CancellationToken),
    ready: &mut dyn FnMut(Vec<String>) -> bool,
) -> Result<()> {
    refuse_to_disturb(consumer, membership, plan.patience)?;
    let queue = Queue::of(consumer).context("preparing the consumer's queue")?;
    let mut member = Member::join(consumer, membership, topics, parts, plan.patience)?;
    wait_for_partitions(&mut member, &queue, ears, stop)?;
    if stop.is_cancelled() || !ready(topics.to_vec()) {
        return Ok(());
    }
    let lookout = Lookout::begin(consumer, &plan.topics, (cluster, ids), ears, stop);
    let mut follower =
        Follower::new(consumer, &queue, (plan, ears, stop), &lookout.changes, Ends::new(&[], Until::Never));
    follower.member = Some(member);
    let mut read = follower.run();
    // Only what has been seen is acknowledged: a closed pipe breaks off here.
    if read.is_ok() && (ears.tell)(Told::Idle).is_continue() {
        read = follower.member.as_mut().map_or(Ok(()), Member::seen);
    }
    consumer.unsubscribe();
    drop(follower);
    lookout.end();
    read
}

fn wait_for_partitions(
    member: &mut Member<'_>,
    queue: &Queue<'_>,
    ears: &Ears,
    stop: &CancellationToken,
) -> Result<()> {
    let (group, patience) = (&member.membership.group, member.patience);
    let deadline = Instant::now() + patience;
    let mut troubles = Troubles::new(true);
    while !member.is_assigned && !stop.is_cancelled() {
        if Instant::now() > deadline {
            bail!(Failure::Failed {
                cause: format!("group {group} gave this member no partition within {patience:?}"),
                remedy: (member.consumer.context().about)
                    .remedy(&format!("group describe {group}"))
                    .then(" shows who has them"),
            });
        }
        // No message can come before the assignment.
        match queue.poll(LOOK) {
            Event::Assigned(partitions) => member.assigned(&partitions)?,
            Event::Revoked => member.revoked()?,
            Event::Trouble(trouble) => {
                troubles.hear(trouble, ears)?;
                troubles.verdict()?;
            }
            Event::Nothing | Event::Message(_) | Event::End(_) => {}
        }
    }
    Ok(())
}

fn refuse_to_disturb(consumer: &Consumer, membership: &Membership, patience: Duration) -> Result<()> {
    if membership.join {
        return Ok(());
    }
    let name = &membership.group;
    let list = consumer.fetch_group_list(Some(name), patience).with_context(|| format!("asking for group {name}"))?;
    let members: usize = list.groups().iter().map(|group| group.members().len()).sum();
    if members == 0 {
        return Ok(());
    }
    let noun = if members == 1 { "member" } else { "members" };
    bail!(Failure::Failed {
        cause: format!("group {name} has {members} live {noun}, who would lose partitions to this reader"),
        remedy: Remedy::words("read without --group, with a group of your own, or with --join to join anyway"),
    })
}
