//! Topics as the cluster has them: what `topic list` and `topic describe` show.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::kafka::access::Access;
use crate::kafka::admin::{Admin, Cluster, TopicState};
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Groups, Progress};
use crate::kafka::unknown_topic;

/// One topic; one element of `sosstack topic list --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    pub topic: String,
    pub partitions: usize,
    pub replication_factor: usize,
    /// Whether all replicas of all partitions are in sync.
    pub fully_replicated: bool,
}

/// All about one topic; `sosstack topic describe --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Description {
    #[serde(flatten)]
    pub summary: Summary,
    /// The topic's own settings.
    pub config: BTreeMap<String, String>,
    pub detail: Vec<Partition>,
    pub groups: Vec<Reader>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Partition {
    pub partition: i32,
    /// None where nobody leads it.
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub first_offset: i64,
    pub next_offset: i64,
}

/// A consumer group that has committed something in the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reader {
    pub group: String,
    pub state: String,
    pub members: usize,
    /// Messages of the topic that it has not acknowledged.
    pub lag: i64,
}

impl Summary {
    pub fn of(topic: &TopicState) -> Self {
        Self {
            topic: topic.name.clone(),
            partitions: topic.partitions.len(),
            replication_factor: topic.replication_factor(),
            fully_replicated: topic.is_fully_replicated(),
        }
    }
}

/// All topics but those of the brokers themselves, and the readiness probe's.
pub fn list(cluster: &Cluster) -> Vec<Summary> {
    cluster.topics.iter().filter(|topic| !topic.name.starts_with("__")).map(Summary::of).collect()
}

/// Asks for all about one topic; each question may take as long as `patience`.
///
/// # Errors
/// [`crate::failure::Failure::Failed`] when there is no such topic; others when a broker does not answer.
pub async fn describe(
    access: &Access,
    admin: &Admin,
    cluster: &Cluster,
    name: &str,
    patience: Duration,
) -> Result<Description> {
    let Some(topic) = cluster.topic(name) else {
        return Err(unknown_topic(&access.about, name, cluster.topics.iter().map(|topic| topic.name.as_str())).into());
    };
    let watermarks = admin.watermarks(topic, patience).await?;
    let config = admin.topic_config(name, patience).await?;
    let groups = readers(access.clone(), name.to_owned(), patience).await?;
    let partitions =
        topic.partitions.iter().zip(watermarks).map(|(partition, (first_offset, next_offset))| Partition {
            partition: partition.id,
            leader: partition.leader,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            first_offset,
            next_offset,
        });
    Ok(Description { summary: Summary::of(topic), config, detail: partitions.collect(), groups })
}

/// The groups that read a topic, each with how far it is behind.
async fn readers(access: Access, topic: String, patience: Duration) -> Result<Vec<Reader>> {
    blocking(move |abandoned| {
        let groups = Groups::connect(&access, patience)?;
        let mut readers = Vec::new();
        for group in groups.list()?.into_iter().take_while(|_| !abandoned.is_cancelled()) {
            let progress = groups.progress_in(&group.name, std::slice::from_ref(&topic))?;
            if progress.iter().any(|one| one.committed.is_some()) {
                let lag = progress.iter().filter_map(Progress::lag).sum();
                readers.push(Reader { group: group.name, state: group.state, members: group.members.len(), lag });
            }
        }
        Ok(readers)
    })
    .await
}
