//! Watches topics while they are read: partitions and topics that come and go, and partitions that lose their
//! leader, whose messages wait while nobody else says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tokio_util::sync::CancellationToken;

use super::away::Away;
use super::cluster::{Cluster, TopicState, cluster_of};
use super::native::topic_ids;
use super::offsets::is_meant;
use super::plan::{Consumer, Ears};
use crate::stream::{Tell, Told};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many looks in a row must miss a topic: a broker that has just started may not know it yet.
const MISSES: u32 = 2;

/// What became of the topics that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A topic that fits is new, or is there again.
    Topic {
        topic: String,
        partitions: Vec<i32>,
    },
    Partitions {
        topic: String,
        partitions: Vec<i32>,
    },
    Deleted {
        topic: String,
    },
    /// It was deleted and made again, and holds other messages.
    Recreated {
        topic: String,
        partitions: Vec<i32>,
    },
}

/// A topic as it was when it was looked at last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    partitions: BTreeSet<i32>,
    /// None until a broker tells it.
    id: Option<(i64, i64)>,
    misses: u32,
}

/// Ids of topics by name.
pub(super) type Ids = BTreeMap<String, (i64, i64)>;

/// What is known of the topics that are meant.
struct Memory {
    patterns: Vec<String>,
    topics: BTreeMap<String, Known>,
}

impl Memory {
    fn new(patterns: &[String], cluster: &Cluster, ids: &Ids) -> Self {
        let mut memory = Self { patterns: patterns.to_vec(), topics: BTreeMap::new() };
        memory.learn(cluster, ids);
        memory
    }

    /// What is different from the last look. A look that shows no topic at all is none.
    fn learn(&mut self, cluster: &Cluster, ids: &Ids) -> Vec<Change> {
        if cluster.topics.is_empty() {
            return Vec::new();
        }
        let Self { patterns, topics } = self;
        let meant = |topic: &&TopicState| {
            !topic.partitions.is_empty() && patterns.iter().any(|pattern| is_meant(pattern, &topic.name))
        };
        let mut changes = Vec::new();
        for topic in cluster.topics.iter().filter(meant) {
            let now: BTreeSet<i32> = topic.partitions.iter().map(|partition| partition.id).collect();
            let id = ids.get(&topic.name).copied();
            let all = || now.iter().copied().collect();
            let name = topic.name.clone();
            match topics.get(&name) {
                None => changes.push(Change::Topic { topic: name, partitions: all() }),
                Some(known) if known.id.is_some() && id.is_some() && known.id != id => {
                    changes.push(Change::Recreated { topic: name, partitions: all() });
                }
                Some(known) => {
                    let new: Vec<i32> = now.difference(&known.partitions).copied().collect();
                    if !new.is_empty() {
                        changes.push(Change::Partitions { topic: name, partitions: new });
                    }
                }
            }
            let known = topics.entry(topic.name.clone()).or_default();
            *known = Known { partitions: now, id: id.or(known.id), misses: 0 };
        }
        topics.retain(|name, known| {
            known.misses += u32::from(cluster.topic(name).is_none());
            let is_gone = known.misses >= MISSES;
            if is_gone {
                changes.push(Change::Deleted { topic: name.clone() });
            }
            !is_gone
        });
        changes
    }

    fn names(&self) -> Vec<String> {
        self.topics.keys().cloned().collect()
    }
}

/// Looks at topics from time to time, in a thread of its own.
pub(super) struct Lookout {
    pub(super) changes: Receiver<Change>,
    thread: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Lookout {
    /// Begins to look, until `stop` is cancelled, it is ended, or nobody takes the changes.
    pub(super) fn begin(
        consumer: &Arc<Consumer>,
        patterns: &[String],
        (cluster, ids): (&Cluster, &Ids),
        ears: &Ears,
        stop: &CancellationToken,
    ) -> Self {
        let (send, changes) = channel();
        let (consumer, tell, stop) = (Arc::downgrade(consumer), Arc::clone(&ears.tell), stop.child_token());
        let (away, stopped) = (Arc::clone(&ears.away), stop.clone());
        let memory = Memory::new(patterns, cluster, ids);
        let leaderless = without_leader(cluster, &memory.names());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
        let thread = runtime.and_then(|runtime| {
            let pause =
                move || runtime.block_on(async { tokio::time::timeout(PAUSE, stopped.cancelled()).await.is_ok() });
            let work = move || run(&consumer, memory, leaderless, &tell, &away, &send, pause);
            // Without the thread, what is there is read all the same.
            std::thread::Builder::new().name("topics".to_owned()).spawn(work).ok()
        });
        Self { changes, thread, stop }
    }

    /// Lets go of the consumer, which can leave its group only then.
    pub(super) fn end(self) {
        self.stop.cancel();
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}

fn run(
    consumer: &Weak<Consumer>,
    mut memory: Memory,
    mut leaderless: BTreeSet<String>,
    tell: &Tell,
    away: &Away,
    send: &Sender<Change>,
    is_stopped: impl Fn() -> bool,
) {
    loop {
        let Some(consumer) = consumer.upgrade() else { return };
        let ids = topic_ids(&consumer, &memory.names(), PATIENCE);
        if let Ok(metadata) = consumer.fetch_metadata(None, PATIENCE) {
            let cluster = cluster_of(&metadata);
            let now = without_leader(&cluster, &memory.names());
            let lost =
                now.difference(&leaderless).map(|name| format!("Kafka: {name} has no leader; its messages wait"));
            let found = leaderless.difference(&now).map(|name| format!("Kafka: {name} has a leader again"));
            if away.end(|| tell(Told::Notice("Kafka: brokers answer again".to_owned()))).is_break() {
                return;
            }
            for words in lost.chain(found) {
                if tell(Told::Notice(words)).is_break() {
                    return;
                }
            }
            leaderless = now;
            for change in memory.learn(&cluster, &ids) {
                if send.send(change).is_err() {
                    return;
                }
            }
        }
        drop(consumer);
        if is_stopped() {
            return;
        }
    }
}

/// Names of the partitions that nobody leads, as `topic[partition]`.
pub(super) fn without_leader(cluster: &Cluster, topics: &[String]) -> BTreeSet<String> {
    let watched = cluster.topics.iter().filter(|topic| topics.contains(&topic.name));
    let leaderless = watched.flat_map(|topic| {
        let lost = topic.partitions.iter().filter(|partition| partition.leader.is_none());
        lost.map(|partition| format!("{}[{}]", topic.name, partition.id))
    });
    leaderless.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::cluster::PartitionState;

    fn cluster(topics: &[(&str, i32)]) -> Cluster {
        let partition = |id| PartitionState { id, leader: Some(0), replicas: vec![0], isr: vec![0] };
        let topic = |(name, count): &(&str, i32)| TopicState {
            name: (*name).to_owned(),
            partitions: (0..*count).map(partition).collect(),
        };
        Cluster { brokers: vec![0], addresses: Vec::new(), topics: topics.iter().map(topic).collect() }
    }

    fn ids(ids: &[(&str, i64)]) -> Ids {
        ids.iter().map(|(name, id)| ((*name).to_owned(), (*id, 1))).collect()
    }

    fn memory(topics: &[(&str, i32)]) -> Memory {
        Memory::new(&["e.*".to_owned(), "x".to_owned()], &cluster(topics), &Ids::new())
    }

    #[test]
    fn what_comes_is_told_if_it_is_meant() {
        let mut memory = memory(&[("e.a", 1), ("other", 1)]);
        let now = cluster(&[("e.a", 3), ("e.b", 2), ("other", 2), ("__e.c", 1)]);
        let expected = [
            Change::Partitions { topic: "e.a".to_owned(), partitions: vec![1, 2] },
            Change::Topic { topic: "e.b".to_owned(), partitions: vec![0, 1] },
        ];
        assert_eq!(memory.learn(&now, &Ids::new()), expected);
        assert_eq!(memory.learn(&now, &Ids::new()), []);
    }

    #[test]
    fn a_topic_is_gone_when_it_is_missed_twice() {
        let mut memory = memory(&[("x", 1), ("other", 1)]);
        let without = cluster(&[("other", 1)]);
        assert_eq!(memory.learn(&without, &Ids::new()), []);
        assert_eq!(memory.learn(&cluster(&[("x", 1)]), &Ids::new()), [], "a broker did not know it yet");
        assert_eq!(memory.learn(&without, &Ids::new()), []);
        assert_eq!(memory.learn(&cluster(&[]), &Ids::new()), [], "no look at all");
        assert_eq!(memory.learn(&without, &Ids::new()), [Change::Deleted { topic: "x".to_owned() }]);
        let back = Change::Topic { topic: "x".to_owned(), partitions: vec![0] };
        assert_eq!(memory.learn(&cluster(&[("x", 1)]), &Ids::new()), [back]);
    }

    #[test]
    fn a_topic_with_another_id_is_another_topic() {
        let mut memory = memory(&[("x", 1)]);
        let one = cluster(&[("x", 1)]);
        assert_eq!(memory.learn(&one, &ids(&[("x", 1)])), []);
        assert_eq!(memory.learn(&one, &Ids::new()), [], "no broker told it this time");
        let again = Change::Recreated { topic: "x".to_owned(), partitions: vec![0] };
        assert_eq!(memory.learn(&one, &ids(&[("x", 2)])), [again]);
        assert_eq!(memory.learn(&one, &ids(&[("x", 2)])), []);
    }
}
