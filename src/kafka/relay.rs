//! Records that are passed on to somebody: read from where the last one was, and committed when whoever takes them says so.
//!
//! The group is a name for places and has no members, so that nothing is ever taken from anybody: whoever relays sees to it
//! that nobody else does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver as Commits, RecvTimeoutError, Sender as Commit, channel as commits};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::known_cluster;
use super::client::let_go;
use super::passing::passes;

/// Records that wait for whoever takes them; beyond that nothing more is read.
const WAITING: usize = 100;
/// Bytes of each partition that are read ahead, in KiB.
const AHEAD: &str = "1024";
/// Between two looks at what was taken.
const LOOK: Duration = Duration::from_millis(50);
/// How long brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks for new partitions. Places are committed again then: brokers forget those of a group without members
/// a week after they were committed (`offsets.retention.minutes`).
const AGAIN: Duration = Duration::from_secs(60);

/// A partition and an offset in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A record on its way.
#[derive(Debug)]
pub struct Relayed {
    pub place: Place,
    pub value: Option<Vec<u8>>,
}

/// Records as they come, and a way to say how far they were taken.
pub struct Relay {
    records: Receiver<Result<Relayed>>,
    taken: Commit<Place>,
}

impl Relay {
    /// Begins to read: where the group was last, from now on where it never was. Places are settled when this returns.
    ///
    /// # Errors
    /// When no broker answers, a topic does not exist, or there is no thread to read in.
    pub async fn begin(access: &Access, group: &str, topics: &[&str], stop: CancellationToken) -> Result<Self> {
        let consumer: BaseConsumer = access
            .config()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // Where the place is gone, what is left is read.
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", AHEAD)
            .create()
            .context("preparing the Kafka consumer")?;
        let (say, records) = channel(WAITING);
        let (taken, hear) = commits();
        let (ready, settled) = oneshot::channel();
        let (access, topics) = (access.clone(), topics.iter().map(|topic| (*topic).to_owned()).collect());
        let work = move || {
            let mut reader = Reader { consumer, access, topics, places: BTreeMap::new() };
            let settled = reader.look_for_partitions();
            if ready.send(settled).is_ok()
                && let Err(error) = reader.run(&say, &hear, &stop)
            {
                let _ = say.blocking_send(Err(error));
            }
            let_go(reader.consumer);
        };
        std::thread::Builder::new().name("relay".to_owned()).spawn(work).context("starting the Kafka reader")?;
        settled.await.context("the Kafka reader ended early")??;
        Ok(Self { records, taken })
    }

    /// The next record; None once it was told to stop.
    ///
    /// # Errors
    /// Why no more are read.
    pub async fn next(&mut self) -> Option<Result<Relayed>> {
        self.records.recv().await
    }

    /// That everything before this place was taken.
    pub fn commit(&self, next: Place) {
        // A reader that has ended has said why.
        let _ = self.taken.send(next);
    }

    /// Waits until what was taken is committed, for as long as `patience`.
    pub async fn close(self, patience: Duration) {
        let Self { mut records, taken } = self;
        drop(taken);
        // The reader lets go of its end last.
        let _ = tokio::time::timeout(patience, async { while records.recv().await.is_some() {} }).await;
    }
}

type Partition = (String, i32);

struct Reader {
    consumer: BaseConsumer,
    access: Access,
    topics: Vec<String>,
    /// The first offset that was not taken, of each partition that is read.
    places: BTreeMap<Partition, i64>,
}

impl Reader {
    fn run(&mut self, say: &Sender<Result<Relayed>>, taken: &Commits<Place>, stop: &CancellationToken) -> Result<()> {
        let mut looked = Instant::now();
        while !stop.is_cancelled() {
            if looked.elapsed() >= AGAIN {
                self.look_for_partitions()?;
                self.commit(&self.places, CommitMode::Async)?;
                looked = Instant::now();
            }
            // While there is no room, only what is taken matters.
            let wait = if say.capacity() == 0 { LOOK } else { Duration::ZERO };
            if !self.hear(taken, wait, CommitMode::Async)? {
                return Ok(());
            }
            let Ok(room) = say.try_reserve() else { continue };
            match self.consumer.poll(LOOK) {
                None => {}
                Some(Err(error)) if passes(&error) || is_away(&error) => {}
                Some(Err(error)) => return Err(error).context("reading from Kafka"),
                Some(Ok(record)) => {
                    let (topic, partition, offset) = (record.topic().to_owned(), record.partition(), record.offset());
                    let place = Place { topic, partition, offset };
                    room.send(Ok(Relayed { place, value: record.payload().map(<[u8]>::to_vec) }));
                }
            }
        }
        // What is taken while whoever takes it comes to an end.
        while self.hear(taken, PATIENCE, CommitMode::Sync)? {}
        Ok(())
    }

    /// Commits what was taken since; false once nobody takes anything any more.
    fn hear(&mut self, taken: &Commits<Place>, wait: Duration, mode: CommitMode) -> Result<bool> {
        let (mut new, mut goes_on) = (BTreeMap::new(), true);
        let mut wait = wait;
        loop {
            match taken.recv_timeout(wait) {
                Ok(next) => new.insert((next.topic, next.partition), next.offset),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    goes_on = false;
                    break;
                }
            };
            wait = Duration::ZERO;
        }
        self.commit(&new, mode)?;
        self.places.extend(new);
        Ok(goes_on)
    }

    fn commit(&self, places: &BTreeMap<Partition, i64>, mode: CommitMode) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        self.consumer.commit(&list(places)?, mode).context("committing what was taken")
    }

    /// Reads partitions, too, that came since.
    fn look_for_partitions(&mut self) -> Result<()> {
        let cluster = known_cluster(self.consumer.client(), &self.access, PATIENCE)?;
        let mut all = BTreeSet::new();
        for name in &self.topics {
            let topic = cluster.topic(name).with_context(|| format!("topic {name} does not exist"))?;
            all.extend(topic.partitions.iter().map(|partition| (name.clone(), partition.id)));
        }
        all.retain(|partition| !self.places.contains_key(partition));
        if all.is_empty() {
            return Ok(());
        }
        let begin = self.settle(&all)?;
        self.commit(&begin, CommitMode::Sync)?;
        self.consumer.incremental_assign(&list(&begin)?).context("assigning partitions")?;
        self.places.extend(begin);
        Ok(())
    }

    /// Where to begin in these partitions: where the group was. A topic in which it was nowhere is read from now on; where it
    /// was somewhere, the other partitions came since.
    fn settle(&self, partitions: &BTreeSet<Partition>) -> Result<BTreeMap<Partition, i64>> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions {
            asked.add_partition(topic, *partition);
        }
        let known = self.consumer.committed_offsets(asked, PATIENCE).context("asking where it was")?;
        let mut begin = BTreeMap::new();
        for element in known.elements() {
            if let Err(error) = element.error() {
                return Err(error).context("asking where it was");
            }
            if let Offset::Offset(offset) = element.offset() {
                begin.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        let been: BTreeSet<String> = begin.keys().chain(self.places.keys()).map(|(topic, _)| topic.clone()).collect();
        for (topic, partition) in partitions {
            if begin.contains_key(&(topic.clone(), *partition)) {
                continue;
            }
            let ends = self.consumer.fetch_watermarks(topic, *partition, PATIENCE);
            let (low, high) = ends.with_context(|| format!("asking for the end of {topic}"))?;
            begin.insert((topic.clone(), *partition), if been.contains(topic) { low } else { high });
        }
        if begin.len() != partitions.len() {
            bail!("Kafka has told places of other partitions than those asked for");
        }
        Ok(begin)
    }
}

/// No broker can be reached just now; the library goes on trying.
fn is_away(error: &rdkafka::error::KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(error.rdkafka_error_code(), Some(Code::AllBrokersDown | Code::OperationTimedOut | Code::Resolve))
}

fn list(places: &BTreeMap<Partition, i64>) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in places {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).context("naming an offset")?;
    }
    Ok(list)
}
