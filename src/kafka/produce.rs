//! Messages to Kafka, each acknowledged by all in-sync replicas or named.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::{Cluster, known_cluster};
use super::limits::{LARGE, Limits};
use super::unknown_topic;
use crate::publish::{Batches, Ledger, Outgoing};

/// How long a full queue is given to drain before it is tried again.
const DRAIN: Duration = Duration::from_millis(5);
/// How long the library may need to report what it gave up, past its own deadline.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of messages that wait for their acknowledgement. The library's own bound would let nothing larger pass, not
/// even alone.
const WAITING: usize = 32 * 1024 * 1024;

/// How messages are sent.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a message may wait for its acknowledgement.
    pub patience: Duration,
    /// How long a message may wait for others to travel with.
    pub linger: Duration,
}

/// Enters each delivery into the ledger.
struct Reports {
    ledger: Arc<Ledger>,
    /// Bytes that wait for their acknowledgement.
    waiting: AtomicUsize,
    limits: Mutex<Limits>,
}

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ProducerContext for Reports {
    /// The line's number; it fits wherever that many lines could be held.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let (Ok(message) | Err((_, message))) = result;
        self.waiting.fetch_sub(message.payload_len() + message.key_len(), Ordering::Relaxed);
        match result {
            Ok(message) => self.ledger.accept_at(message.partition(), message.offset()),
            Err((error, message)) => {
                let words = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::MessageSizeTooLarge) => self.limits().refusal(message.topic()),
                    _ => reason(error),
                };
                self.ledger.refuse(number as u64, &words);
            }
        }
    }
}

impl Reports {
    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let Some(first) = batches.recv().await else { return Ok(()) };
    let producer: BaseProducer<Reports> = config(access, pace)
        .create_with_context(Reports {
            ledger: Arc::clone(&ledger),
            waiting: AtomicUsize::new(0),
            limits: Mutex::default(),
        })
        .context("preparing the producer")?;
    let access = access.clone();
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        // By the producer itself: with the answer it asks for its id at once, else half a second later.
        let cluster = known_cluster(producer.client(), &access, pace.patience)?;
        let mut run = Run { producer, access, cluster, refused_topics: HashMap::new(), ledger };
        let mut next = Some(first);
        while let Some(batch) = next {
            for message in &batch {
                run.send(message, pace.patience);
            }
            run.producer.poll(Duration::ZERO);
            next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    batch = batches.recv() => batch,
                }
            });
        }
        batches.close();
        while let Ok(batch) = batches.try_recv() {
            for message in &batch {
                run.ledger.refuse(message.number, "interrupted before it was sent");
            }
        }
        run.producer.flush(pace.patience + GRACE).context("waiting for acknowledgements")
    };
    tokio::task::spawn_blocking(work).await.context("running the producer")?
}

fn config(access: &Access, pace: Pace) -> rdkafka::ClientConfig {
    let mut config = access.config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // As Java's, kafkajs' and franz-go's producers choose it; the library's own default is another hash.
        .set("partitioner", "murmur2_random")
        // The topic's own setting decides how it is stored; snappy is the platform's.
        .set("compression.type", "snappy")
        .set("linger.ms", pace.linger.as_millis().to_string())
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "2000000")
        // The broker is the judge of what is too large.
        .set("message.max.bytes", "1000000000")
        .set("batch.size", "900000")
        .set("message.timeout.ms", pace.patience.as_millis().max(1).to_string());
    config
}

struct Run {
    producer: BaseProducer<Reports>,
    access: Access,
    cluster: Cluster,
    /// Topics that do not exist, with the words about them.
    refused_topics: HashMap<Arc<str>, Option<String>>,
    ledger: Arc<Ledger>,
}

impl Run {
    fn send(&mut self, message: &Outgoing, patience: Duration) {
        if let Some(words) = self.topic_problem(&message.topic) {
            return self.ledger.refuse(message.number, &words);
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
            let headers = OwnedHeaders::new_with_capacity(message.headers.len());
            let all = message
                .headers
                .iter()
                .fold(headers, |all, (name, value)| all.insert(Header { key: name, value: value.as_deref() }));
            record.headers = Some(all);
        }
        // Looking at the clock costs a tenth of what sending costs: only who has to wait does.
        let mut deadline = None;
        loop {
            let waiting = &self.producer.context().waiting;
            let before = waiting.load(Ordering::Relaxed);
            let sent = if before > 0 && before + size > WAITING {
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record))
            } else {
                self.producer.send(record)
            };
            match sent {
                Ok(()) => {
                    waiting.fetch_add(size, Ordering::Relaxed);
                    return;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < *deadline.get_or_insert_with(|| Instant::now() + patience) =>
                {
                    record = back;
                    self.producer.poll(DRAIN);
                }
                Err((error, _)) => return self.ledger.refuse(message.number, &reason(&error)),
            }
        }
    }

    /// Why no broker can be sent this much.
    fn size_problem(&self, topic: &Arc<str>, size: usize) -> Option<String> {
        if size < LARGE {
            return None;
        }
        let mut limits = self.producer.context().limits();
        limits.learn(&self.access, self.cluster.brokers.first().copied(), topic);
        limits.problem(size)
    }

    /// Why messages cannot go to this topic; a broker would make it, and a typo with it.
    fn topic_problem(&mut self, topic: &Arc<str>) -> Option<String> {
        if let Some(known) = self.refused_topics.get(topic) {
            return known.clone();
        }
        let names = || self.cluster.topics.iter().map(|topic| topic.name.as_str());
        let problem = self.cluster.topic(topic).is_none().then(|| {
            let failure = unknown_topic(topic, names());
            format!("{failure}; {}", failure.remedy().unwrap_or_default())
        });
        self.refused_topics.insert(Arc::clone(topic), problem.clone());
        problem
    }
}

fn reason(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageTimedOut) => "no acknowledgement came in time".to_owned(),
        Some(RDKafkaErrorCode::QueueFull) => "those before it were not acknowledged in time".to_owned(),
        Some(RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend) => {
            "not enough replicas are in sync".to_owned()
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}
