//! Messages to Kafka, each acknowledged by all in-sync replicas or named.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::admin::{Cluster, known_cluster};
use super::names::unknown_names;
use super::native::add_header;
use super::unknown_topic;
use crate::publish::{Batches, Ledger, Outgoing};

/// How long a full queue is given to drain before it is tried again.
const DRAIN: Duration = Duration::from_millis(5);
/// How long the library may need to report what it gave up, past its own deadline.
const GRACE: Duration = Duration::from_secs(5);

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
}

/// Enters each delivery into the ledger.
struct Reports {
    ledger: Arc<Ledger>,
}

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ProducerContext for Reports {
    /// The line's number; it fits wherever that many lines could be held.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        match result {
            Ok(message) => self.ledger.accept_at(message.partition(), message.offset()),
            Err((error, _)) => self.ledger.refuse(number as u64, &reason(error)),
        }
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
        .create_with_context(Reports { ledger: Arc::clone(&ledger) })
        .context("preparing the producer")?;
    let access = access.clone();
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        // By the producer itself: with the answer it asks for its id at once, else half a second later.
        let cluster = known_cluster(producer.client(), &access, pace.patience)?;
        unknown_names(&cluster, &access)?;
        let mut run = Run { producer, cluster, refused_topics: HashMap::new(), ledger };
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
        // The topic's own setting decides how it is stored; snappy is the platform's.
        .set("compression.type", "snappy")
        .set("linger.ms", pace.linger.as_millis().to_string())
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "32768")
        // The broker is the judge of what is too large.
        .set("message.max.bytes", "1000000000")
        .set("batch.size", "900000")
        .set("message.timeout.ms", pace.patience.as_millis().max(1).to_string());
    config
}

struct Run {
    producer: BaseProducer<Reports>,
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
        if message.time == Some(0) {
            return self.ledger.refuse(message.number, TIME_ZERO);
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
        // Looking at the clock costs a tenth of what sending costs: only who has to wait does.
        let mut deadline = None;
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
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
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            "it is larger than the topic allows (max.message.bytes)".to_owned()
        }
        Some(RDKafkaErrorCode::MessageTimedOut) => "no acknowledgement came in time".to_owned(),
        Some(RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend) => {
            "not enough replicas are in sync".to_owned()
        }
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}
