//! Reading topics: without a group unless one is asked for, so that whoever watches takes no partition
//! from a running service.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::{Cluster, known_cluster};
use super::follow::{Ends, follow};
use super::group::{self, Membership};
use super::{leaders, let_go, offsets, past};
use crate::about::About;
use crate::reading::{From, Gate, PATIENCE, Tell, Told, Until, Wanted};

/// Within this time partitions whose leader ended have another, if there is one in sync.
const ELECTION: Duration = Duration::from_secs(5);
/// Between two looks for a leader.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What each partition may have waiting. A small message takes many times its bytes, so both are bounded.
struct Queued {
    messages: &'static str,
    kbytes: &'static str,
    /// Bytes of a partition that are asked for at once. A batch comes whole, however large.
    fetch: &'static str,
    /// Bytes of all partitions of a broker that are asked for at once.
    response: &'static str,
}

/// People read slowly, and watch many partitions.
const FOR_PEOPLE: Queued = Queued { messages: "100", kbytes: "128", fetch: "16384", response: "262144" };
const FOR_PROGRAMS: Queued = Queued { messages: "100000", kbytes: "16384", fetch: "1048576", response: "4194304" };

/// What is to be read.
pub struct Plan {
    /// Names; `*` stands for any letters, and then internal topics are left out.
    pub topics: Vec<String>,
    /// Only this one of each topic.
    pub partition: Option<i32>,
    pub from: From,
    pub until: Until,
    /// The past by time across partitions.
    pub merged: bool,
    /// Only the newest wanted messages of the past.
    pub last: Option<usize>,
    pub group: Option<Membership>,
    /// Little memory goes before speed.
    pub for_people: bool,
}

/// Who hears of it.
pub struct Ears {
    pub wanted: Wanted,
    pub tell: Tell,
    /// Opened when the past is over.
    pub gate: Gate,
    /// Whether it was told that all brokers are away, which the library says again and again.
    pub away: Arc<AtomicBool>,
}

impl Ears {
    pub(super) fn notice(&self, words: String) -> ControlFlow<()> {
        (self.tell)(Told::Notice(words))
    }
}

pub(super) type Consumer = BaseConsumer<Watcher>;

/// Tells of brokers that are away; librdkafka's own log lines go nowhere.
pub(super) struct Watcher {
    /// Which cluster is read, for remedies.
    pub(super) about: About,
    tell: Tell,
    away: Arc<AtomicBool>,
}

impl ClientContext for Watcher {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let words = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) if !self.away.swap(true, Ordering::Relaxed) => {
                "Kafka: all brokers are away; trying on".to_owned()
            }
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                format!("Kafka: the login is refused: {reason}")
            }
            _ => return,
        };
        let _ = (self.tell)(Told::Notice(words));
    }
}

impl ConsumerContext for Watcher {}

/// Begins to read; positions are settled when this returns, so nothing written later is missed.
/// What it returns resolves when everything is read, with the names of the topics.
///
/// # Errors
/// [`crate::failure::Failure::Failed`] when no broker answers or a topic does not exist.
pub async fn read(
    access: &Access,
    plan: Plan,
    ears: Ears,
    stop: CancellationToken,
) -> Result<(oneshot::Receiver<Result<()>>, Vec<String>)> {
    let (ready, positioned) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let access = access.clone();
    let work = move || {
        let mut ready = Some(ready);
        let read = run(&access, &plan, &ears, &stop, &mut |names| {
            ready.take().is_some_and(|ready| ready.send(Ok(names)).is_ok())
        });
        ears.gate.open();
        match (ready, read) {
            (Some(ready), Err(error)) => drop(ready.send(Err(error))),
            (_, read) => drop(done.send(read)),
        }
    };
    std::thread::Builder::new().name("kafka".to_owned()).spawn(work).context("starting the Kafka reader")?;
    let names = positioned.await.context("the Kafka reader ended early")??;
    Ok((ended, names))
}

fn run(
    access: &Access,
    plan: &Plan,
    ears: &Ears,
    stop: &CancellationToken,
    ready: &mut dyn FnMut(Vec<String>) -> bool,
) -> Result<()> {
    let consumer = Arc::new(prepare(access, plan, ears)?);
    let (cluster, topics) = look(&consumer, access, plan)?;
    if let Some(membership) = &plan.group {
        return group::read(&consumer, membership, &topics, ears, stop, ready);
    }
    let parts = offsets::settle(&consumer, &topics, &cluster, plan, ears)?;
    let mut ends = Ends::new(&parts, plan.until);
    if !plan.merged {
        offsets::assign(&consumer, parts.iter().map(|part| (part, part.start)))?;
    }
    if !ready(topics.clone()) {
        return Ok(());
    }
    let mut consumer = consumer;
    if plan.merged {
        if past::tell(&consumer, &parts, plan.last, ears, stop)?.is_break() {
            abandon(consumer);
            return Ok(());
        }
        ears.gate.open();
        if plan.last.is_none() {
            // Its partitions have queues of their own for good: the present takes another one.
            let past = std::mem::replace(&mut consumer, Arc::new(prepare(access, plan, ears)?));
            let_go(past);
        }
        offsets::assign(&consumer, parts.iter().map(|part| (part, part.high)))?;
    }
    leaders::watch(&consumer, &topics, &cluster, ears, stop);
    let read = follow(&consumer, &mut ends, plan.until, ears, stop, &mut || Ok(()));
    abandon(consumer);
    read
}

/// The cluster and the topics that are meant. Who reads to an end waits for the leaders of all partitions:
/// when a broker ends, the next ones are chosen within a moment.
fn look(consumer: &Consumer, access: &Access, plan: &Plan) -> Result<(Cluster, Vec<String>)> {
    let deadline = Instant::now() + ELECTION;
    loop {
        let cluster = known_cluster(consumer.client(), access, PATIENCE)?;
        let topics = offsets::resolve(&access.about, &plan.topics, &cluster)?;
        let led = leaders::without_leader(&cluster, &topics).is_empty();
        if led || plan.until == Until::Never || Instant::now() >= deadline {
            return Ok((cluster, topics));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Leaves a consumer that is in no group to the end of the process: closing it takes as long as a
/// fetch that waits, and nobody misses it.
fn abandon(consumer: Arc<Consumer>) {
    std::mem::forget(consumer);
}

fn prepare(access: &Access, plan: &Plan, ears: &Ears) -> Result<Consumer> {
    let follows = plan.until == Until::Never;
    let queued = if plan.for_people { &FOR_PEOPLE } else { &FOR_PROGRAMS };
    let mut config = access.config();
    config
        // Required by the library; without a membership nothing is committed and nobody joins.
        .set("group.id", plan.group.as_ref().map_or("sosstack-reader", |membership| membership.group.as_str()))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", group::reset(plan))
        // Data is sent as soon as there is any: waiting is for partitions that have none.
        .set("fetch.wait.max.ms", if follows { "500" } else { "10" })
        .set("fetch.queue.backoff.ms", "2")
        .set("fetch.error.backoff.ms", "100")
        .set("queued.min.messages", queued.messages)
        .set("queued.max.messages.kbytes", queued.kbytes)
        .set("fetch.message.max.bytes", queued.fetch)
        .set("fetch.max.bytes", queued.response)
        // No larger than a response, the library demands; what it means are messages that are sent.
        .set("message.max.bytes", queued.response)
        .set("receive.message.max.bytes", "1000000000")
        .set("topic.metadata.refresh.interval.ms", "5000");
    let watcher = Watcher { about: access.about.clone(), tell: Arc::clone(&ears.tell), away: Arc::clone(&ears.away) };
    config.create_with_context(watcher).context("preparing the consumer")
}

/// Names of topics for a message that says what is listened to.
pub(super) fn names(cluster: &Cluster) -> impl Iterator<Item = &str> {
    cluster.topics.iter().map(|topic| topic.name.as_str())
}
