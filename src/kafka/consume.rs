//! Reading topics without a group: whoever watches takes no partition from a running service.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::admin::{Admin, Cluster};
use super::{unknown_topic, unreachable};
use crate::message::{Broker, Message, Received, Sink};

/// How long to wait for the first answer of a broker.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Names; `*` stands for any letters, and then internal topics are left out.
    pub topics: Vec<String>,
    pub from: From,
    /// End where the partitions ended when reading began.
    pub until_now: bool,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    Now,
    /// At the first message that is as young as this.
    Ago(Duration),
}

/// Tells of brokers that go and come; librdkafka's own log lines go nowhere.
struct Watcher {
    notices: Sink,
}

impl ClientContext for Watcher {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            let _ = self.notices.try_send(Ok(Received::Notice(format!("Kafka: all brokers are away ({reason})"))));
        }
    }
}

impl ConsumerContext for Watcher {}

/// Begins to read; positions are settled when this returns, so nothing written later is missed.
/// The reader lets go of `sink` when everything is read, or `stop` is cancelled.
///
/// # Errors
/// [`crate::failure::Failure::Failed`] when no broker answers or a topic does not exist.
pub async fn read(servers: &[String], reading: Reading, sink: Sink, stop: CancellationToken) -> Result<()> {
    let admin = Admin::new(servers)?;
    let cluster = admin.cluster(PATIENCE).await.map_err(|error| unreachable(&error, servers))?;
    let topics = resolve(&reading.topics, &cluster)?;
    let context = Watcher { notices: sink.clone() };
    let consumer: BaseConsumer<Watcher> = ClientConfig::new()
        .set("bootstrap.servers", servers.join(","))
        // Required by the library, never used: partitions are assigned and nothing is committed.
        .set("group.id", "sosstack-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "20")
        .set("fetch.queue.backoff.ms", "20")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create_with_context(context)
        .context("preparing the consumer")?;
    let (ready, positioned) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let positions = match assign(&consumer, &topics, &cluster, &reading) {
            Ok(positions) => positions,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok(())).is_ok() {
            pump(&consumer, positions, &sink, &stop);
        }
    });
    positioned.await.context("the consumer ended early")?
}

fn resolve(patterns: &[String], cluster: &Cluster) -> Result<Vec<String>> {
    let names = || cluster.topics.iter().map(|topic| topic.name.as_str());
    let mut topics: Vec<String> = Vec::new();
    for pattern in patterns {
        let found: Vec<&str> = if pattern.contains('*') {
            names().filter(|name| !name.starts_with("__") && fits(pattern, name)).collect()
        } else {
            names().filter(|name| name == pattern).collect()
        };
        if found.is_empty() {
            return Err(unknown_topic(pattern, names()).into());
        }
        topics.extend(found.into_iter().map(str::to_owned));
    }
    topics.sort();
    topics.dedup();
    Ok(topics)
}

/// Whether a name fits a pattern in which `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|remaining| {
            let ends = (0..=remaining.len()).filter(|end| remaining.is_char_boundary(*end));
            ends.map(|end| &remaining[end..]).any(|tail| fits(rest, tail))
        }),
    }
}

/// Partitions still to be read up to an offset, by topic and partition; None when reading goes on.
type Ends = Option<HashMap<(String, i32), i64>>;

fn assign(consumer: &BaseConsumer<Watcher>, topics: &[String], cluster: &Cluster, reading: &Reading) -> Result<Ends> {
    let mut start = TopicPartitionList::new();
    let mut ends = HashMap::new();
    let ago = |ago: Duration| Timestamp::now().as_millisecond() - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    for topic in topics.iter().filter_map(|name| cluster.topic(name)) {
        for partition in &topic.partitions {
            let reading_offsets = || format!("reading the offsets of {}[{}]", topic.name, partition.id);
            let (low, high) =
                consumer.fetch_watermarks(&topic.name, partition.id, PATIENCE).with_context(reading_offsets)?;
            let offset = match reading.from {
                From::Beginning => low,
                From::Now => high,
                From::Ago(duration) => first_since(consumer, &topic.name, partition.id, ago(duration))?.unwrap_or(high),
            };
            start
                .add_partition_offset(&topic.name, partition.id, Offset::Offset(offset))
                .with_context(reading_offsets)?;
            if offset < high {
                ends.insert((topic.name.clone(), partition.id), high);
            }
        }
    }
    consumer.assign(&start).context("assigning partitions")?;
    Ok(reading.until_now.then_some(ends))
}

fn first_since(consumer: &BaseConsumer<Watcher>, topic: &str, partition: i32, since: i64) -> Result<Option<i64>> {
    let mut times = TopicPartitionList::new();
    times.add_partition_offset(topic, partition, Offset::Offset(since)).context("naming a time")?;
    let offsets = consumer.offsets_for_times(times, PATIENCE).context("looking up a time")?;
    Ok(offsets.find_partition(topic, partition).and_then(|found| match found.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }))
}

/// Moves messages from the consumer to the channel until nobody wants them or all is read.
fn pump(consumer: &BaseConsumer<Watcher>, mut ends: Ends, sink: &Sink, stop: &CancellationToken) {
    let mut away_since: Option<Instant> = None;
    while !stop.is_cancelled() && ends.as_ref().is_none_or(|ends| !ends.is_empty()) {
        let item = match consumer.poll(Duration::from_millis(100)) {
            None => continue,
            Some(Ok(message)) => {
                if away_since.take().is_some() {
                    let _ = sink.blocking_send(Ok(Received::Notice("Kafka: messages arrive again".to_owned())));
                }
                let (topic, partition, offset) = (message.topic().to_owned(), message.partition(), message.offset());
                if is_beyond(ends.as_ref(), &topic, partition, offset) {
                    continue;
                }
                let sent = sink.blocking_send(Ok(Received::Message(envelope(&message))));
                reached(&mut ends, &topic, partition, offset + 1);
                match sent {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
            // The end of a partition: also where its last offsets hold transaction markers or were
            // compacted away, so that no message ever has them.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                at_end(consumer, &mut ends, partition);
                continue;
            }
            Some(Err(error)) => error,
        };
        if is_fatal(&item) {
            let _ = sink.blocking_send(Err(anyhow::Error::new(item).context("reading from Kafka")));
            return;
        }
        if away_since.replace(Instant::now()).is_none() {
            let _ = sink.blocking_send(Ok(Received::Notice(format!("Kafka: {item}; trying on"))));
        }
    }
}

/// Messages that were written after reading `until now` began.
fn is_beyond(ends: Option<&HashMap<(String, i32), i64>>, topic: &str, partition: i32, offset: i64) -> bool {
    ends.is_some_and(|ends| ends.get(&(topic.to_owned(), partition)).is_none_or(|end| offset >= *end))
}

fn reached(ends: &mut Ends, topic: &str, partition: i32, next: i64) {
    if let Some(ends) = ends {
        let key = (topic.to_owned(), partition);
        if ends.get(&key).is_some_and(|end| next >= *end) {
            ends.remove(&key);
        }
    }
}

/// The library names the partition but not the topic: the positions tell which have come to their end.
fn at_end(consumer: &BaseConsumer<Watcher>, ends: &mut Ends, partition: i32) {
    let Some(waiting) = ends else { return };
    let Ok(positions) = consumer.position() else { return };
    waiting.retain(|(topic, id), end| {
        let position = positions.find_partition(topic, *id).map(|found| found.offset());
        *id != partition || !matches!(position, Some(Offset::Offset(next)) if next >= *end)
    });
}

/// Errors that trying on does not heal.
fn is_fatal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
        )
    )
}

fn envelope(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let millis = message.timestamp().to_millis().unwrap_or_default();
    Message {
        broker: Broker::Kafka,
        topic: message.topic().to_owned(),
        partition: Some(message.partition()),
        offset: Some(message.offset()),
        qos: None,
        retained: None,
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
        time: Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_letters() {
        assert!(fits("emergency.*", "emergency.created"));
        assert!(fits("*.created", "emergency.created"));
        assert!(fits("*", "x"));
        assert!(fits("a*b*c", "a--b--c"));
        assert!(!fits("emergency.*", "device.alerts"));
        assert!(!fits("a*b", "a--c"));
    }
}
