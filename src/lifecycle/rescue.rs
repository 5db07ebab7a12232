//! Brokers whose data is gone must come back last.
//!
//! The last broker to stop is alone in sync, and so would lead again: with nothing in its log, which the others would
//! then copy, and all messages were gone. So the others come first and are made to lead, though they are not known to
//! be in sync: what `acks=all` acknowledged they have, as it takes two.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::poll;
use crate::endpoints::Endpoints;
use crate::event::{self, Outcome, Report, Step};
use crate::kafka::admin::{Admin, Cluster};
use crate::memo::Memo;
use crate::stack::topic::PROBE_TOPIC;

const SETTING: &str = "unclean.leader.election.enable";
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the brokers that have their data, and has them lead every partition.
///
/// # Errors
/// When they do not come, or do not lead, by the deadline.
pub(super) async fn elect(
    stack_dir: &Path,
    endpoints: &Endpoints,
    brokers: usize,
    deadline: Instant,
    report: Report<'_>,
) -> Result<()> {
    event::step(report, Step::ElectBrokers, async {
        let admin = Admin::of_stack(endpoints)?;
        let step = &Step::ElectBrokers;
        let cluster = poll::cluster_until(&admin, step, deadline, report, |cluster| {
            let count = cluster.brokers.len();
            if count < brokers {
                return Err(format!("{count} of {brokers} brokers registered"));
            }
            // Until the controller has told it all topics at once, a broker knows of none, so of none that nobody
            // leads. This topic is there since the stack was first ready, and nobody can delete it.
            match cluster.topic(PROBE_TOPIC) {
                Some(_) => Ok(()),
                None => Err("the brokers do not know their topics yet".to_owned()),
            }
        })
        .await?;
        let leaderless = leaderless(&cluster);
        allow(&admin, &leaderless, stack_dir).await?;
        let elected =
            poll::cluster_until(&admin, step, deadline, report, |cluster| match self::leaderless(cluster).as_slice() {
                [] => Ok(()),
                [first, ..] => Err(format!("{first} has no leader")),
            })
            .await;
        forbid(stack_dir, endpoints).await?;
        elected?;
        anyhow::Ok(((), Outcome::Elected { topics: leaderless.len() }))
    })
    .await
}

/// Lets topics choose a leader out of sync; the memo knows first, as whatever comes next may be a kill.
async fn allow(admin: &Admin, topics: &[String], stack_dir: &Path) -> Result<()> {
    for topic in topics {
        let mut config = admin.topic_config(topic, PATIENCE).await?;
        let before = config.insert(SETTING.to_owned(), "true".to_owned());
        // What an earlier rescue noted is what the topic said before any.
        Memo::update(stack_dir, |memo| {
            memo.unclean.entry(topic.clone()).or_insert(before);
        })?;
        admin.set_topic_config(topic, &config, PATIENCE).await?;
    }
    Ok(())
}

/// Takes back what a rescue allowed, this one or one that was killed: such a leader loses what others acknowledged.
///
/// # Errors
/// When the brokers refuse or do not answer, or the memo cannot be written.
pub(super) async fn forbid(stack_dir: &Path, endpoints: &Endpoints) -> Result<()> {
    let allowed = Memo::read(stack_dir)?.unclean;
    if allowed.is_empty() {
        return Ok(());
    }
    let admin = Admin::of_stack(endpoints)?;
    // A broker that knew no topics yet would have all of them forgotten.
    let wanted: Vec<String> = allowed.keys().cloned().collect();
    let cluster = admin.known_cluster(&wanted, PATIENCE).await?;
    let there = |topic: &String| cluster.topic(topic).is_some();
    for (topic, before) in allowed.into_iter().filter(|(topic, _)| there(topic)) {
        let mut config = admin.topic_config(&topic, PATIENCE).await?;
        match before {
            Some(before) => config.insert(SETTING.to_owned(), before),
            None => config.remove(SETTING),
        };
        admin.set_topic_config(&topic, &config, PATIENCE).await?;
    }
    Memo::update(stack_dir, |memo| memo.unclean.clear())
}

fn leaderless(cluster: &Cluster) -> Vec<String> {
    let lacks = |topic: &&crate::kafka::admin::TopicState| topic.partitions.iter().any(|p| p.leader.is_none());
    cluster.topics.iter().filter(lacks).map(|topic| topic.name.clone()).collect()
}
