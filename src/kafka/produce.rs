//! Messages to Kafka, each acknowledged by all in-sync replicas or named.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, Producer};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::known_cluster;
use super::blocking::blocking;
use super::cluster::Cluster;
use super::lanes::{Lanes, USUAL};
use super::limits::LARGE;
use super::names::unknown_names;
use super::native::add_header;
use super::reports::{NOT_SENT, Reports, reason};
use super::unknown::unknown_topic;
use super::views;
use crate::sending::{Batches, Ledger, Outgoing, next_batch};

/// How long a full queue is given to drain before it is tried again.
const DRAIN: Duration = Duration::from_millis(5);
/// How long the library may need to report what it gave up, past its own deadline.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of messages that wait for their acknowledgement. The library's own bound would let nothing larger pass, not
/// even alone.
const WAITING: usize = 32 * 1024 * 1024;

/// The library takes this time for "none was given", and would send the message as of now.
const TIME_ZERO: &str =
    "its time is 1970-01-01T00:00:00Z, which cannot be sent; without time it is sent as of now, and .001Z can be sent";

/// How messages are sent.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a message may wait for its acknowledgement.
    pub patience: Duration,
    /// How long a message may wait for others to travel with.
    pub linger: Duration,
    /// How messages travel; brokers that keep what producers send store them so.
    pub codec: Codec,
}

/// What the library compresses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// The platform's own: brokers that store it need not do it again.
    Snappy,
    /// Whoever reads needs none.
    None,
}

/// Produces everything that comes, until the input ends or `stop` is cancelled, and waits until each
/// message is acknowledged or given up. Connects with the first message.
///
/// # Errors
/// [`crate::failure::Failure::Failed`] when no broker answers, or the only topic does not exist.
pub async fn produce(
    access: &Access,
    mut batches: Batches,
    ledger: Arc<Ledger>,
    pace: Pace,
    stop: CancellationToken,
) -> Result<()> {
    let Some(first) = next_batch(&mut batches, &stop).await else { return Ok(()) };
    let reports = Reports { ledger: Arc::clone(&ledger), waiting: Arc::default(), limits: Arc::default() };
    let lanes = Lanes::new(config(access, pace), reports.clone())?;
    let access = access.clone();
    // By the producer itself: with the answer it asks for its id at once, else half a second later.
    let met = blocking(move |_| {
        let cluster = known_cluster(lanes.get(USUAL).client(), &access, pace.patience)?;
        unknown_names(&cluster, &access)?;
        Ok((lanes, cluster, access))
    });
    let met = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        met = met => Some(met?),
    };
    let Some((lanes, cluster, access)) = met else {
        refuse(&first, &ledger);
        refuse_rest(&mut batches, &ledger);
        return Ok(());
    };
    let runtime = tokio::runtime::Handle::current();
    blocking(move |_| {
        let mut run = Run { lanes, reports, access, cluster, topics: HashMap::new(), ledger, pace, stop };
        let mut next = Some(first);
        while let Some(batch) = next {
            for message in &batch {
                run.send(message);
            }
            run.lanes.poll();
            next = runtime.block_on(next_batch(&mut batches, &run.stop));
        }
        refuse_rest(&mut batches, &run.ledger);
        let settled = run.settle();
        run.lanes.let_go();
        settled
    })
    .await
}

fn refuse(batch: &[Outgoing], ledger: &Ledger) {
    for message in batch {
        ledger.refuse(message.number, NOT_SENT);
    }
}

/// Names what nobody will send any more.
fn refuse_rest(batches: &mut Batches, ledger: &Ledger) {
    batches.close();
    while let Ok(batch) = batches.try_recv() {
        refuse(&batch, ledger);
    }
}

fn config(access: &Access, pace: Pace) -> rdkafka::ClientConfig {
    let mut config = access.config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set(
            "compression.type",
            match pace.codec {
                Codec::Snappy => "snappy",
                Codec::None => "none",
            },
        )
        // As Java's, kafkajs' and franz-go's producers choose it; the library's own default is another hash.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", pace.linger.as_millis().to_string())
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "2000000")
        // The broker is the judge of what is too large.
        .set("message.max.bytes", "1000000000")
        .set("message.timeout.ms", pace.patience.as_millis().max(1).to_string());
    config
}

/// What is known of a topic.
enum Route {
    /// It does not exist, with the words about it.
    Nowhere(String),
    /// It was sent one message, which travels alone: its limit does not matter yet.
    Begun,
    Through {
        lane: usize,
    },
}

struct Run {
    lanes: Lanes,
    reports: Reports,
    access: Access,
    cluster: Cluster,
    topics: HashMap<Arc<str>, Route>,
    ledger: Arc<Ledger>,
    pace: Pace,
    stop: CancellationToken,
}

impl Run {
    fn send(&mut self, message: &Outgoing) {
        let lane = match self.lane(&message.topic) {
            Ok(lane) => lane,
            Err(words) => return self.ledger.refuse(message.number, &words),
        };
        if message.time == Some(0) {
            return self.ledger.refuse(message.number, TIME_ZERO);
        }
        let size = message.value.as_ref().map_or(0, Bytes::len) + message.key.as_ref().map_or(0, Bytes::len);
        if let Some(words) = self.size_problem(&message.topic, size) {
            return self.ledger.refuse(message.number, &words);
        }
        let number = usize::try_from(message.number).unwrap_or(usize::MAX);
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&message.topic, number);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.time;
        if !message.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
            message.headers.iter().for_each(|(name, value)| add_header(&mut headers, name, value.as_deref()));
            record.headers = Some(headers);
        }
        let producer = self.lanes.get(lane);
        // Looking at the clock costs a tenth of what sending costs: only who has to wait does.
        let mut deadline = None;
        loop {
            let waiting = &self.reports.waiting;
            let before = waiting.load(Ordering::Relaxed);
            let sent = if before > 0 && before + size > WAITING {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record))
            } else {
                producer.send(record)
            };
            match sent {
                Ok(()) => {
                    waiting.fetch_add(size, Ordering::Relaxed);
                    return;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < *deadline.get_or_insert_with(|| Instant::now() + self.pace.patience) =>
                {
                    if self.stop.is_cancelled() {
                        return self.ledger.refuse(message.number, NOT_SENT);
                    }
                    record = back;
                    producer.poll(DRAIN);
                    self.lanes.poll();
                }
                Err((error, _)) => return self.ledger.refuse(message.number, &reason(&error)),
            }
        }
    }

    fn settle(&self) -> Result<()> {
        self.lanes.settle(Instant::now() + self.pace.patience + GRACE, &self.stop)
    }

    /// Why no broker can be sent this much.
    fn size_problem(&self, topic: &Arc<str>, size: usize) -> Option<String> {
        if size < LARGE {
            return None;
        }
        let mut limits = self.reports.limits();
        let client = self.lanes.get(USUAL).client();
        limits.learn(client, topic, &self.stop);
        limits.learn_request(client, self.cluster.brokers.first().copied(), &self.stop);
        limits.problem(size)
    }

    /// Through which lane messages go to this topic, or why they cannot.
    fn lane(&mut self, topic: &Arc<str>) -> Result<usize, String> {
        let route = match self.topics.get(topic) {
            Some(Route::Through { lane }) => return Ok(*lane),
            Some(Route::Nowhere(words)) => return Err(words.clone()),
            Some(Route::Begun) => Route::Through { lane: self.narrowed(topic)? },
            None => self.topic_problem(topic).map_or(Route::Begun, Route::Nowhere),
        };
        self.topics.insert(Arc::clone(topic), route);
        match &self.topics[topic] {
            Route::Through { lane } => Ok(*lane),
            Route::Begun => Ok(USUAL),
            Route::Nowhere(words) => Err(words.clone()),
        }
    }

    /// The lane of a topic by its limit. What was sent to it before arrives before.
    fn narrowed(&mut self, topic: &Arc<str>) -> Result<usize, String> {
        self.reports.limits().learn(self.lanes.get(USUAL).client(), topic, &self.stop);
        let Some(most) = self.reports.limits().of_batch(topic) else { return Ok(USUAL) };
        let lane = self.lanes.of(most).map_err(|error| format!("{error:#}"))?;
        if lane != USUAL {
            self.settle().map_err(|error| format!("{error:#}"))?;
        }
        Ok(lane)
    }

    /// Why messages cannot go to this topic; a broker would make it, and a typo with it.
    fn topic_problem(&mut self, topic: &Arc<str>) -> Option<String> {
        views::add_missing(&mut self.cluster, &self.access, [&**topic]);
        let names = || self.cluster.topics.iter().map(|topic| topic.name.as_str());
        self.cluster.topic(topic).is_none().then(|| {
            let failure = unknown_topic(&self.access.about, topic, names());
            match failure.remedy() {
                Some(remedy) => format!("{failure}; {remedy}"),
                None => failure.to_string(),
            }
        })
    }
}
