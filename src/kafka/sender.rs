//! Records that are handed over at once and reported one by one: for whoever keeps them until Kafka has them.
//!
//! Nothing is given up here for having waited long: the library sends again, in order, for as long as it takes. What
//! cannot be sent at all is reported, and whoever keeps the record decides what becomes of it.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer};
use tokio::sync::Notify;

use super::access::Access;
use super::client::let_go;
use super::native::add_header;

/// A record as it is handed over; the library copies it.
pub struct Outbound<'a> {
    pub topic: &'a str,
    pub key: &'a [u8],
    pub headers: Vec<(&'a [u8], Option<&'a [u8]>)>,
    pub value: Option<&'a [u8]>,
    /// In milliseconds since 1970; not 0, which the library takes for none.
    pub time: i64,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All in-sync replicas have it.
    Delivered,
    /// No broker will ever take it: why, for people.
    Refused(String),
    /// Its topic is unknown: why, for people. It may be gone, or the brokers have just been started and do not know it yet;
    /// this producer does not look again before it fails what it is given.
    Unknown(String),
    /// It was not sent, or nobody knows: the producer can go on no more, and a new one has to send it again.
    Unsettled,
}

/// Why a record was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// Others have to be delivered first.
    Full,
    /// As [`Outcome::Refused`].
    Refused(String),
    /// As [`Outcome::Unknown`].
    Unknown(String),
    /// As [`Outcome::Unsettled`].
    Broken,
}

#[derive(Default)]
struct Reports {
    arrived: Mutex<Vec<(u64, Outcome)>>,
    wake: Arc<Notify>,
}

// What the library logs goes to the crate `log`, which nobody listens to.
impl ClientContext for Reports {}

impl ProducerContext for Reports {
    /// The record's number; it fits wherever that many records could be held.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(_) => Outcome::Delivered,
            Err((error, message)) => failed(error, message.topic()),
        };
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.push((number as u64, outcome));
        if arrived.len() == 1 {
            self.wake.notify_one();
        }
    }
}

/// A producer that keeps the order of what it is given: idempotent, acknowledged by all in-sync replicas.
pub struct Sender {
    /// Let go of without waiting, once.
    producer: Option<ThreadedProducer<Reports>>,
}

impl Sender {
    /// Connects in the background. `wake` is notified when reports wait; `linger` is how long a record may wait for
    /// others to travel with.
    ///
    /// # Errors
    /// When the settings contradict each other or threads cannot be started.
    pub fn start(access: &Access, linger: Duration, wake: Arc<Notify>) -> Result<Self> {
        let mut config = access.config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "snappy")
            // As Java's, kafkajs' and franz-go's producers choose it; the library's own default is another hash.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", linger.as_millis().to_string())
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536")
            // The broker is the judge of what is too large.
            .set("message.max.bytes", "1000000000")
            .set("batch.size", "500000")
            // For as long as it takes.
            .set("message.timeout.ms", "0");
        let reports = Reports { arrived: Mutex::default(), wake };
        let producer = config.create_with_context(reports).context("preparing the producer")?;
        Ok(Self { producer: Some(producer) })
    }

    /// Hands a record over. Its `number` comes back in [`Sender::reports`], unless it was not taken.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn send(&self, record: &Outbound<'_>, number: u64) -> Result<(), NotTaken> {
        let Some(producer) = &self.producer else { return Err(NotTaken::Broken) };
        let opaque = usize::try_from(number).unwrap_or(usize::MAX);
        let mut base = BaseRecord::<[u8], [u8], usize>::with_opaque_to(record.topic, opaque);
        base.key = Some(record.key);
        base.payload = record.value;
        base.timestamp = Some(record.time);
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        record.headers.iter().for_each(|(name, value)| add_header(&mut headers, name, *value));
        base.headers = Some(headers);
        producer.send(base).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => NotTaken::Full,
            _ => match failed(&error, record.topic) {
                Outcome::Refused(words) => NotTaken::Refused(words),
                Outcome::Unknown(words) => NotTaken::Unknown(words),
                _ => NotTaken::Broken,
            },
        })
    }

    /// What became of records since the last call, in the order in which it became known.
    pub fn reports(&self) -> Vec<(u64, Outcome)> {
        let Some(producer) = &self.producer else { return Vec::new() };
        mem::take(&mut *producer.context().arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            // Whoever lets go keeps what was not delivered.
            producer.purge(PurgeConfig::default().queue().inflight());
            let_go(producer);
        }
    }
}

fn failed(error: &KafkaError, topic: &str) -> Outcome {
    use RDKafkaErrorCode as Code;
    let words = match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge) => format!("it is larger than {topic} takes"),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
            return Outcome::Unknown(format!("there is no topic {topic}"));
        }
        Some(Code::TopicAuthorizationFailed) => format!("the login may not write to {topic}"),
        Some(code @ (Code::InvalidTimestamp | Code::InvalidTopic | Code::InvalidRecord | Code::PolicyViolation)) => {
            format!("{topic} does not take it: {code}")
        }
        _ => return Outcome::Unsettled,
    };
    Outcome::Refused(words)
}
