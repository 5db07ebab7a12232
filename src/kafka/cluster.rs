//! A cluster as its brokers describe it.

use rdkafka::metadata::{Metadata, MetadataBroker, MetadataTopic};

/// The brokers and what they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Ids of the registered brokers, ascending.
    pub brokers: Vec<i32>,
    /// `host:port` of each, as it announces itself.
    pub addresses: Vec<String>,
    /// Sorted by name; internal ones included.
    pub topics: Vec<TopicState>,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    pub name: String,
    pub partitions: Vec<PartitionState>,
}

/// A partition as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    pub id: i32,
    /// None while no broker leads it.
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    /// The replicas that are in sync.
    pub isr: Vec<i32>,
}

impl PartitionState {
    /// Whether it has a leader and all its replicas in sync.
    pub fn is_in_sync(&self) -> bool {
        self.leader.is_some() && self.isr.len() == self.replicas.len()
    }
}

impl TopicState {
    /// Whether each partition has a leader and all its replicas in sync.
    pub fn is_fully_replicated(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.iter().all(PartitionState::is_in_sync)
    }

    /// Replicas of each partition; the fewest, should they differ.
    pub fn replication_factor(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replicas.len()).min().unwrap_or(0)
    }
}

impl Cluster {
    pub fn topic(&self, name: &str) -> Option<&TopicState> {
        self.topics.iter().find(|topic| topic.name == name)
    }
}

/// The cluster that metadata describes.
pub(super) fn cluster_of(metadata: &Metadata) -> Cluster {
    let mut brokers: Vec<i32> = metadata.brokers().iter().map(MetadataBroker::id).collect();
    brokers.sort_unstable();
    let mut topics: Vec<TopicState> = metadata.topics().iter().map(topic_state).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let addresses = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
    Cluster { brokers, addresses, topics }
}

fn topic_state(topic: &MetadataTopic) -> TopicState {
    let mut partitions: Vec<PartitionState> = topic
        .partitions()
        .iter()
        .map(|partition| PartitionState {
            id: partition.id(),
            leader: (partition.leader() >= 0).then(|| partition.leader()),
            replicas: partition.replicas().to_vec(),
            isr: partition.isr().to_vec(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.id);
    TopicState { name: topic.name().to_owned(), partitions }
}
