//! Makes the topics that the stack names; changes what differs, deletes nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::kafka::OFFSETS_PARTITIONS;
use crate::event::{Event, Notice, Report};
use crate::kafka::admin::{Admin, Cluster, TopicRequest};
use crate::stack::topic::PROBE_TOPIC;
use crate::stack::{Stack, Topic};

const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What seeding changed; `sosstack seed --output json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Seeded {
    #[serde(rename = "created_topics")]
    pub created: Vec<String>,
    #[serde(rename = "changed_topics")]
    pub changed: Vec<String>,
}

/// What has to be asked of the cluster so that it has the stack's topics.
#[derive(Debug, Default, PartialEq, Eq)]
struct TopicPlan {
    create: Vec<TopicRequest>,
    /// (topic, new total of partitions)
    grow: Vec<(String, usize)>,
    /// Existing topics for which the stack names settings.
    configure: Vec<Topic>,
    notices: Vec<Notice>,
}

/// Creates missing topics in one request, adds missing partitions and sets differing settings.
///
/// # Errors
/// When the cluster refuses, or does not answer by `deadline`.
pub async fn seed(
    stack: &Stack,
    admin: &Admin,
    cluster: &Cluster,
    deadline: Instant,
    report: Report<'_>,
) -> Result<Seeded> {
    let plan = plan(stack, cluster);
    for notice in plan.notices {
        report(Event::Noticed(notice));
    }
    let remaining = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    admin.ensure_topics(&plan.create, remaining()).await?;
    admin.grow_topics(&plan.grow, remaining()).await?;
    let mut changed: Vec<String> = plan.grow.into_iter().map(|(name, _)| name).collect();
    for topic in plan.configure {
        let existing = admin.topic_config(&topic.name, remaining()).await?;
        let mut wanted = existing.clone();
        wanted.extend(topic.config);
        if wanted != existing {
            admin.set_topic_config(&topic.name, &wanted, remaining()).await?;
            changed.push(topic.name);
        }
    }
    let created = plan.create.into_iter().map(|topic| topic.name).filter(|name| !name.starts_with("__")).collect();
    Ok(Seeded { created, changed })
}

fn plan(stack: &Stack, cluster: &Cluster) -> TopicPlan {
    let mut plan = TopicPlan::default();
    for topic in stack.topics.iter().chain([&Topic::probe()]) {
        let Some(existing) = cluster.topic(&topic.name) else {
            plan.create.push(TopicRequest {
                name: topic.name.clone(),
                partitions: Some(topic.partitions.into()),
                replication_factor: Some(stack.kafka.replication_factor().into()),
                config: topic.config.clone(),
            });
            continue;
        };
        let (has, wants) = (existing.partitions.len(), usize::from(topic.partitions));
        if has < wants {
            plan.grow.push((topic.name.clone(), wants));
        } else if has > wants {
            plan.notices.push(Notice::MorePartitions { topic: topic.name.clone(), has, wants });
        }
        if !topic.config.is_empty() && topic.name != PROBE_TOPIC {
            plan.configure.push(topic.clone());
        }
    }
    if !plan.create.is_empty() && cluster.topic(OFFSETS_TOPIC).is_none() {
        plan.create.extend(offsets_topic(stack));
    }
    plan
}

/// Kafka's own topic for groups' offsets, as a broker would make it when the first group asks. Made with the others,
/// it costs no wait of its own. None where the stack file has settings of its own for it.
fn offsets_topic(stack: &Stack) -> Option<TopicRequest> {
    if stack.kafka.config.keys().any(|key| key.starts_with("offsets.topic.")) {
        return None;
    }
    let config = [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", "104857600")];
    Some(TopicRequest {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: Some(OFFSETS_PARTITIONS.into()),
        replication_factor: Some(stack.kafka.replication_factor().into()),
        config: config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    })
}
