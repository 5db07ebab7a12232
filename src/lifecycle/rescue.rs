//! Brokers whose data is gone must come back last.
//!
//! The last broker to stop is alone in sync, and so would lead again: with nothing in its log, which the others would
//! then copy, and all messages were gone. So the others come first and are made to lead, though they are not known to
//! be in sync: what `acks=all` acknowledged they have, as it takes two.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::poll;
use crate::event::{self, Report};
use crate::kafka::admin::{Admin, Cluster};
use crate::stack::topic::PROBE_TOPIC;

const SETTING: &str = "unclean.leader.election.enable";
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the brokers that have their data, and has them lead every partition.
///
/// # Errors
/// When they do not come, or do not lead, by the deadline.
pub(super) async fn elect(
    bootstrap_servers: &[String],
    brokers: usize,
    deadline: Instant,
    report: Report<'_>,
) -> Result<()> {
    event::step(report, "Brokers with data", async {
        let admin = Admin::new(bootstrap_servers)?;
        let step = "Brokers with data";
        let cluster = poll::cluster_until(&admin, step, deadline, report, |cluster| {
            let count = cluster.brokers.len();
            if count < brokers {
                return Err(format!("{count} of {brokers} brokers registered"));
            }
            // Until the controller has told it all topics at once, a broker knows of none, so of none that nobody
            // leads. This topic is there since the stack was first ready, and nobody can delete it.
            match cluster.topic(PROBE_TOPIC) {
                Some(_) => Ok(()),
                None => Err("the brokers have not heard of their topics yet".to_owned()),
            }
        })
        .await?;
        let leaderless = leaderless(&cluster);
        let mut before: Vec<(String, BTreeMap<String, String>)> = Vec::new();
        for topic in &leaderless {
            let config = admin.topic_config(topic, PATIENCE).await?;
            let mut unclean = config.clone();
            unclean.insert(SETTING.to_owned(), "true".to_owned());
            admin.set_topic_config(topic, &unclean, PATIENCE).await?;
            before.push((topic.clone(), config));
        }
        let elected =
            poll::cluster_until(&admin, step, deadline, report, |cluster| match self::leaderless(cluster).as_slice() {
                [] => Ok(()),
                [first, ..] => Err(format!("nobody leads {first}")),
            })
            .await;
        for (topic, config) in before {
            admin.set_topic_config(&topic, &config, PATIENCE).await?;
        }
        elected?;
        anyhow::Ok(((), format!("they lead now; {} topics had no leader", leaderless.len())))
    })
    .await
}

fn leaderless(cluster: &Cluster) -> Vec<String> {
    let lacks = |topic: &&crate::kafka::admin::TopicState| topic.partitions.iter().any(|p| p.leader.is_none());
    cluster.topics.iter().filter(lacks).map(|topic| topic.name.clone()).collect()
}
