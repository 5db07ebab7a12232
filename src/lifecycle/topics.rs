//! Topics made, changed and deleted by hand: done when the whole cluster agrees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::poll;
use crate::event::Step;
use crate::kafka::admin::{Admin, Cluster, TopicRequest, TopicState};

/// How long the cluster may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a topic; returns it when all its replicas are in sync.
///
/// # Errors
/// When the cluster refuses it or does not finish in time.
pub async fn create(admin: &Admin, request: TopicRequest) -> Result<TopicState> {
    admin.ensure_topics(std::slice::from_ref(&request), PATIENCE).await?;
    until_whole(admin, &request.name, request.partitions.and_then(|count| usize::try_from(count).ok())).await
}

/// Changes a topic: its total of partitions, settings that it gets, settings that go back to their defaults.
///
/// # Errors
/// When the cluster refuses or does not finish in time.
pub async fn alter(
    admin: &Admin,
    topic: &str,
    partitions: Option<usize>,
    set: &BTreeMap<String, String>,
    reset: &[String],
) -> Result<()> {
    if let Some(total) = partitions {
        admin.grow_topics(&[(topic.to_owned(), total)], PATIENCE).await?;
        until_whole(admin, topic, Some(total)).await?;
    }
    if !set.is_empty() || !reset.is_empty() {
        let mut config = admin.topic_config(topic, PATIENCE).await?;
        config.retain(|key, _| !reset.contains(key));
        config.extend(set.clone());
        admin.set_topic_config(topic, &config, PATIENCE).await?;
    }
    Ok(())
}

/// Deletes topics; returns when no broker names them any more.
///
/// # Errors
/// When the cluster refuses or does not finish in time.
pub async fn delete(admin: &Admin, topics: &[String]) -> Result<()> {
    admin.delete_topics(topics, PATIENCE).await?;
    until(admin, |cluster| match topics.iter().find(|topic| cluster.topic(topic).is_some()) {
        Some(topic) => Err(format!("{topic} is still there")),
        None => Ok(()),
    })
    .await
    .map(drop)
}

/// `partitions` is None where the brokers choose how many.
async fn until_whole(admin: &Admin, topic: &str, partitions: Option<usize>) -> Result<TopicState> {
    let is_whole = |state: &TopicState| {
        partitions.is_none_or(|count| count == state.partitions.len()) && state.is_fully_replicated()
    };
    let cluster = until(admin, |cluster| match cluster.topic(topic) {
        Some(state) if is_whole(state) => Ok(()),
        Some(_) => Err(format!("not all replicas of {topic} are in sync")),
        None => Err(format!("{topic} does not exist yet")),
    })
    .await?;
    cluster.topic(topic).cloned().context("an existing topic is gone")
}

/// Until it holds of what every broker says: whoever comes next may ask any of them.
async fn until(admin: &Admin, holds: impl Fn(&Cluster) -> Result<(), String>) -> Result<Cluster> {
    poll::cluster_until(admin, &Step::ProveTopics, Instant::now() + PATIENCE, &|_| {}, holds).await
}
