//! Reading topics: without a group unless one is asked for, so that whoever watches takes no partition
//! from a running service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rdkafka::consumer::Consumer as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::known_cluster;
use super::client::let_go;
use super::cluster::Cluster;
use super::ends::Ends;
use super::follow::Follower;
use super::names::unknown_names;
use super::native::{Queue, topic_ids};
use super::plan::{Consumer, Ears, Plan, Quiet};
use super::topics::{Ids, Lookout, without_leader};
use super::{group, offsets, past, views};
use crate::place::Until;

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
    let consumer = Arc::new(prepare(access, plan)?);
    let (cluster, topics) = look(&consumer, access, plan)?;
    for name in unknown_names(&cluster, access)? {
        let _ =
            ears.notice(format!("Kafka: this machine cannot resolve {name}; the partitions it leads are not shown"));
    }
    // Before anything is read: a topic that is made again later has another id.
    let ids = if plan.until == Until::Now { Ids::new() } else { topic_ids(&consumer, &topics, plan.patience) };
    let parts = offsets::settle(&consumer, &topics, &cluster, plan, ears)?;
    if let Some(membership) = &plan.group {
        let known = (topics.as_slice(), parts.as_slice(), &cluster, &ids);
        return group::read(&consumer, membership, known, (plan, ears, stop), ready);
    }
    if !plan.merged {
        offsets::assign(&consumer, parts.iter().map(|part| (part, part.start)))?;
    }
    if !ready(topics) {
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
            let past = std::mem::replace(&mut consumer, Arc::new(prepare(access, plan)?));
            let_go(past);
        }
        offsets::assign(&consumer, parts.iter().map(|part| (part, part.high)))?;
    }
    let lookout = Lookout::begin(&consumer, &plan.topics, (&cluster, &ids), ears, stop);
    let read = match Queue::of(&consumer) {
        None => Err(anyhow!("the consumer has no queue")),
        Some(queue) => {
            let ends = Ends::new(&parts, plan.until);
            Follower::new(&consumer, &queue, (plan, ears, stop), &lookout.changes, ends).run()
        }
    };
    abandon(consumer);
    read
}

/// The cluster and the topics that are meant. Who reads to an end waits for the leaders of all partitions:
/// when a broker ends, the next ones are chosen within a moment.
fn look(consumer: &Consumer, access: &Access, plan: &Plan) -> Result<(Cluster, Vec<String>)> {
    let deadline = Instant::now() + ELECTION.min(plan.patience);
    loop {
        let mut cluster = known_cluster(consumer.client(), access, plan.patience)?;
        let names = plan.topics.iter().map(String::as_str).filter(|pattern| !pattern.contains('*'));
        views::add_missing(&mut cluster, access, names);
        let topics = offsets::resolve(&access.about, &plan.topics, &cluster)?;
        let led = without_leader(&cluster, &topics).is_empty();
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

fn prepare(access: &Access, plan: &Plan) -> Result<Consumer> {
    let follows = plan.until == Until::Never;
    let queued = if plan.for_people { &FOR_PEOPLE } else { &FOR_PROGRAMS };
    let mut config = access.config();
    config
        // Required by the library; without a membership nothing is committed and nobody joins.
        .set("group.id", plan.group.as_ref().map_or("sosstack-reader", |membership| membership.group.as_str()))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        // What is out of range is said.
        .set("auto.offset.reset", "error")
        // As other clients do; a batch that is not what its producer sent is not a message.
        .set("check.crcs", "true")
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
    config.create_with_context(Quiet { about: access.about.clone() }).context("preparing the consumer")
}
