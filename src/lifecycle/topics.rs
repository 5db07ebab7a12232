//! Topics made, changed and deleted by hand: done when the whole cluster agrees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::poll;
use crate::kafka::admin::{Admin, Cluster, TopicRequest};

/// How long the cluster may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a topic; returns when all its replicas are in sync.
///
/// # Errors
/// When the cluster refuses it or does not finish in time.
pub async fn create(admin: &Admin, request: TopicRequest) -> Result<()> {
    admin.ensure_topics(std::slice::from_ref(&request), PATIENCE).await?;
    until_whole(admin, &request.name, usize::try_from(request.partitions).unwrap_or(0)).await
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
        until_whole(admin, topic, total).await?;
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
}

async fn until_whole(admin: &Admin, topic: &str, partitions: usize) -> Result<()> {
    until(admin, |cluster| match cluster.topic(topic) {
        Some(state) if state.partitions.len() == partitions && state.is_fully_replicated() => Ok(()),
        Some(_) => Err(format!("not all replicas of {topic} are in sync")),
        None => Err(format!("{topic} is not there yet")),
    })
    .await
}

async fn until(admin: &Admin, holds: impl Fn(&Cluster) -> Result<(), String>) -> Result<()> {
    poll::cluster_until(admin, "Topics", Instant::now() + PATIENCE, &|_| {}, holds).await.map(drop)
}
