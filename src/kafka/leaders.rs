//! Tells of partitions that lose their leader: their messages wait, and nobody else says so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tokio_util::sync::CancellationToken;

use super::admin::{Cluster, cluster_of};
use super::consume::{Consumer, Ears};
use crate::reading::{Tell, Told};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks from time to time, in a thread of its own, until `stop` is cancelled.
pub(super) fn watch(
    consumer: &Arc<Consumer>,
    topics: &[String],
    cluster: &Cluster,
    ears: &Ears,
    stop: &CancellationToken,
) {
    let (consumer, tell, topics, stop) =
        (Arc::downgrade(consumer), Arc::clone(&ears.tell), topics.to_vec(), stop.clone());
    let away = Arc::clone(&ears.away);
    let known = without_leader(cluster, &topics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { return };
    let work = move || {
        run(&consumer, &topics, known, &tell, &away, || {
            let stopped = async { tokio::time::timeout(PAUSE, stop.cancelled()).await.is_ok() };
            runtime.block_on(stopped)
        });
    };
    // A convenience: without the thread, messages are read all the same.
    let _ = std::thread::Builder::new().name("leaders".to_owned()).spawn(work);
}

fn run(
    consumer: &Weak<Consumer>,
    topics: &[String],
    mut known: BTreeSet<String>,
    tell: &Tell,
    away: &AtomicBool,
    is_stopped: impl Fn() -> bool,
) {
    while !is_stopped() {
        let Some(consumer) = consumer.upgrade() else { return };
        let Ok(metadata) = consumer.fetch_metadata(None, PATIENCE) else {
            continue;
        };
        let now = without_leader(&cluster_of(&metadata), topics);
        let lost = now.difference(&known).map(|name| format!("Kafka: {name} has no leader; its messages wait"));
        let found = known.difference(&now).map(|name| format!("Kafka: {name} has a leader again"));
        let back = away.swap(false, Ordering::Relaxed).then(|| "Kafka: brokers answer again".to_owned());
        for words in back.into_iter().chain(lost).chain(found) {
            if tell(Told::Notice(words)).is_break() {
                return;
            }
        }
        known = now;
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
