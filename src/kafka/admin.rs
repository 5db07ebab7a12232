//! Topics and brokers: what there is, and making what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

use super::access::Access;
use super::blocking::blocking;
use super::client::let_go;
use super::cluster::cluster_of;
use super::names::unknown_names;
use super::passing::passes;
use super::refusal::refusal;
use super::unreachable::unreachable;
use super::views;
use crate::about::Remedy;
use crate::endpoints::Endpoints;
use crate::failure::Failure;

pub use super::cluster::{Cluster, PartitionState, TopicState};

/// Within this time a broker that has just started is told what topics there are.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// So long an answer may take before a reason is looked for.
const WITHOUT_REASON: Duration = Duration::from_secs(1);
/// What leaves a topic's size to the brokers (KIP-464, Kafka 2.4).
const BROKERS_CHOOSE: i32 = -1;
/// Between two questions to a broker that knows nothing yet.
const PAUSE: Duration = Duration::from_millis(20);

/// An administrator's connection to a cluster.
#[derive(Clone)]
pub struct Admin {
    client: Arc<Connection>,
    access: Access,
}

/// The library's client, let go of without waiting.
struct Connection(Option<AdminClient<DefaultClientContext>>);

impl std::ops::Deref for Connection {
    type Target = AdminClient<DefaultClientContext>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let_go(self.0.take());
    }
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRequest {
    pub name: String,
    /// None: as many as the brokers give a topic that does not say (`num.partitions`).
    pub partitions: Option<i32>,
    /// None: as the brokers have it (`default.replication.factor`).
    pub replication_factor: Option<i32>,
    pub config: BTreeMap<String, String>,
}

impl Admin {
    /// Prepares a connection to a stack of this machine; nothing is sent yet.
    ///
    /// # Errors
    /// When the client library refuses the settings.
    pub fn of_stack(endpoints: &Endpoints) -> Result<Self> {
        Self::with(&Access::of_stack(endpoints))
    }

    /// As [`Admin::of_stack`], with a login where the cluster asks for one.
    ///
    /// # Errors
    /// When the client library refuses the settings.
    pub fn with(access: &Access) -> Result<Self> {
        let client = access
            .config()
            // A stack that is starting answers soon: ask often.
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "100")
            .create()
            .context("preparing the Kafka client")?;
        Ok(Self { client: Arc::new(Connection(Some(client))), access: access.clone() })
    }

    /// Brokers and topics, as soon as a broker knows them; of those that are `wanted`, also one that only some brokers
    /// have heard of yet.
    ///
    /// # Errors
    /// When no broker answers within `deadline`, or the cluster does not let us in.
    pub async fn known_cluster(&self, wanted: &[String], deadline: Duration) -> Result<Cluster> {
        let (client, access, wanted) = (Arc::clone(&self.client), self.access.clone(), wanted.to_vec());
        let ask = move || {
            let mut cluster = known_cluster(client.inner(), &access, deadline)?;
            views::add_missing(&mut cluster, &access, wanted.iter().map(String::as_str));
            Ok(cluster)
        };
        blocking(move |_| ask()).await
    }

    /// The cluster as each of its brokers that answers has it.
    ///
    /// # Errors
    /// When there is no thread to ask from.
    pub async fn views(&self, cluster: &Cluster) -> Result<Vec<Cluster>> {
        let (cluster, access) = (cluster.clone(), self.access.clone());
        blocking(move |_| Ok(views::of_each(&cluster, &access))).await
    }

    /// That this machine knows how to reach the brokers, of which the cluster may have let us in by another name.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it knows none of their names.
    pub async fn ensure_reachable(&self, cluster: &Cluster) -> Result<()> {
        let (cluster, access) = (cluster.clone(), self.access.clone());
        blocking(move |_| Ok(unknown_names(&cluster, &access).map(drop)?)).await
    }

    /// Brokers and topics as the broker that answers first has them; while the stack starts, that may be none.
    ///
    /// # Errors
    /// When no broker answers within `deadline`.
    pub async fn cluster(&self, deadline: Duration) -> Result<Cluster> {
        let client = Arc::clone(&self.client);
        let ask = move || client.inner().fetch_metadata(None, deadline).context("no Kafka broker answers");
        Ok(cluster_of(&blocking(move |_| ask()).await?))
    }

    /// Makes topics in one request. A topic that exists already is fine.
    ///
    /// # Errors
    /// When the request fails, or a topic is refused; all refusals are named.
    pub async fn ensure_topics(&self, topics: &[TopicRequest], deadline: Duration) -> Result<()> {
        if topics.is_empty() {
            return Ok(());
        }
        let requests: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(topic.replication_factor.unwrap_or(BROKERS_CHOOSE));
                let partitions = topic.partitions.unwrap_or(BROKERS_CHOOSE);
                let request = NewTopic::new(&topic.name, partitions, replication);
                topic.config.iter().fold(request, |request, (key, value)| request.set(key, value))
            })
            .collect();
        let options = options(deadline);
        let began = Instant::now();
        loop {
            let results = self.client.create_topics(&requests, &options).await.context("creating topics")?;
            let refused = results.into_iter().filter_map(Result::err);
            let (existing, refused): (Vec<_>, Vec<_>) =
                refused.partition(|(_, code)| *code == RDKafkaErrorCode::TopicAlreadyExists);
            // A controller that has just started knows of fewer brokers than there are.
            let few = refused.iter().any(|(_, code)| *code == RDKafkaErrorCode::InvalidReplicationFactor);
            if !refused.is_empty() && (!few || began.elapsed() >= TOLD_WITHIN.min(deadline)) {
                return refusals("creating", refused.into_iter());
            }
            let on_its_way_out = self.unnamed(existing.into_iter().map(|(topic, _)| topic).collect()).await?;
            if !few && on_its_way_out.is_empty() {
                return Ok(());
            }
            if began.elapsed() >= deadline {
                bail!(Failure::Failed {
                    cause: format!("{} still being deleted, and cannot be created again yet", being(&on_its_way_out)),
                    remedy: Remedy::words("start the brokers that are down: one of them may hold a replica"),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Those of some topics that no broker names although they exist: they are being deleted, and in the way until then.
    async fn unnamed(&self, mut topics: Vec<String>) -> Result<Vec<String>> {
        if topics.is_empty() {
            return Ok(topics);
        }
        let cluster = self.cluster(TOLD_WITHIN).await?;
        topics.retain(|topic| cluster.topic(topic).is_none());
        if !topics.is_empty() {
            let views = self.views(&cluster).await?;
            topics.retain(|topic| views.iter().all(|view| view.topic(topic).is_none()));
        }
        Ok(topics)
    }

    /// Gives topics more partitions; (name, new total).
    ///
    /// # Errors
    /// When the request fails, or a topic is refused.
    pub async fn grow_topics(&self, totals: &[(String, usize)], deadline: Duration) -> Result<()> {
        if totals.is_empty() {
            return Ok(());
        }
        let requests: Vec<_> = totals.iter().map(|(name, total)| NewPartitions::new(name, *total)).collect();
        let options = options(deadline);
        let results = self.client.create_partitions(&requests, &options).await.context("adding partitions")?;
        refusals("adding partitions to", results.into_iter().filter_map(Result::err))
    }

    /// Deletes topics, with all their messages.
    ///
    /// # Errors
    /// When the request fails, or a topic is refused; all refusals are named.
    pub async fn delete_topics(&self, topics: &[String], deadline: Duration) -> Result<()> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let results = self.client.delete_topics(&names, &options(deadline)).await.context("deleting topics")?;
        refusals("deleting", results.into_iter().filter_map(Result::err))
    }

    /// The settings that a topic has of its own, defaults left out.
    ///
    /// # Errors
    /// When the request fails.
    pub async fn topic_config(&self, topic: &str, deadline: Duration) -> Result<BTreeMap<String, String>> {
        let specifier = [ResourceSpecifier::Topic(topic)];
        let options = options(deadline);
        let results = self.client.describe_configs(&specifier, &options).await.context("reading topic settings")?;
        let mut own = BTreeMap::new();
        for resource in results {
            let resource = resource.map_err(|code| anyhow::anyhow!("reading settings of {topic}: {code}"))?;
            for entry in resource.entries {
                if entry.source == ConfigSource::DynamicTopic {
                    own.insert(entry.name, entry.value.unwrap_or_default());
                }
            }
        }
        Ok(own)
    }

    /// Replaces the settings that a topic has of its own by exactly these.
    ///
    /// # Errors
    /// When the request fails or is refused.
    pub async fn set_topic_config(
        &self,
        topic: &str,
        config: &BTreeMap<String, String>,
        deadline: Duration,
    ) -> Result<()> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let change = config.iter().fold(change, |change, (key, value)| change.set(key, value));
        let options = options(deadline);
        let results = self.client.alter_configs([&change], &options).await.context("changing topic settings")?;
        refusals(
            "changing settings of",
            results.into_iter().filter_map(Result::err).map(|(_, code)| (topic.to_owned(), code)),
        )
    }

    /// The id that the cluster's brokers share; None where they do not tell.
    pub async fn cluster_id(&self, patience: Duration) -> Option<String> {
        let client = Arc::clone(&self.client);
        blocking(move |_| Ok(client.inner().fetch_cluster_id(patience))).await.ok().flatten()
    }

    /// First and next offset of each partition; a new leader is waited for.
    ///
    /// # Errors
    /// When a partition's leader does not answer within `patience`.
    pub async fn watermarks(&self, topic: &TopicState, patience: Duration) -> Result<Vec<(i64, i64)>> {
        let client = Arc::clone(&self.client);
        let (name, partitions) = (topic.name.clone(), topic.partitions.clone());
        let deadline = Instant::now() + patience;
        blocking(move |abandoned| {
            let of = |p: &PartitionState| loop {
                match client.inner().fetch_watermarks(&name, p.id, patience) {
                    Err(error) if passes(&error) && Instant::now() < deadline && !abandoned.is_cancelled() => {}
                    answer => return answer,
                }
                // What it holds about leaders is old; without this it would ask the same broker again.
                let _ = client.inner().fetch_metadata(None, patience);
                std::thread::sleep(PAUSE);
            };
            let wanted = partitions.iter().take_while(|_| !abandoned.is_cancelled());
            wanted.map(of).collect::<Result<Vec<_>, _>>().context("reading offsets")
        })
        .await
    }
}

/// Brokers and topics, from a broker that knows them: one that has just started answers with none until
/// the controller has told it, and "there is no such topic" would be a lie.
///
/// # Errors
/// [`Failure::Failed`] when no broker answers within `patience`, or sooner, with the reason, when the cluster does not
/// let us in.
pub(super) fn known_cluster<C: ClientContext>(
    client: &Client<C>,
    access: &Access,
    patience: Duration,
) -> Result<Cluster, Failure> {
    let deadline = Instant::now() + TOLD_WITHIN.min(patience);
    loop {
        let cluster = cluster_of(&first_answer(client, access, patience)?);
        if !cluster.topics.is_empty() || Instant::now() >= deadline {
            return Ok(cluster);
        }
        std::thread::sleep(PAUSE);
    }
}

/// To a cluster that says no, the library goes on asking: after a while the reason is asked for.
fn first_answer<C: ClientContext>(
    client: &Client<C>,
    access: &Access,
    patience: Duration,
) -> Result<Metadata, Failure> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    // Of a short time, half is for the reason.
    if let Ok(metadata) = client.fetch_metadata(None, WITHOUT_REASON.min(patience / 2)) {
        return Ok(metadata);
    }
    let refusal = match refusal(access, left()) {
        Some(refusal) if refusal.is_final => return Err(refusal.failure),
        other => other,
    };
    let answer = client.fetch_metadata(None, left().max(PAUSE));
    answer.map_err(|error| refusal.map_or_else(|| unreachable(&error, access, patience), |refusal| refusal.failure))
}

fn options(deadline: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(deadline)).operation_timeout(Some(deadline))
}

fn refusals(doing: &str, refused: impl Iterator<Item = (String, RDKafkaErrorCode)>) -> Result<()> {
    let words: Vec<String> = refused.map(|(topic, code)| format!("{topic}: {code}")).collect();
    if words.is_empty() {
        return Ok(());
    }
    bail!("{doing} {}", words.join("; "))
}

fn being(topics: &[String]) -> String {
    format!("{} {}", topics.join(", "), if topics.len() == 1 { "is" } else { "are" })
}
