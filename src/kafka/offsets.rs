//! Which partitions are read, from which offset to which.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::Cluster;
use super::native::Place;
use super::passing::passes;
use super::plan::{Consumer, Ears, Plan};
use super::unknown::unknown_topic;
use crate::about::About;
use crate::failure::Failure;
use crate::message::now;
use crate::pattern::fits;
use crate::place::{From, Until};

/// Between two questions to brokers that do not agree yet on who leads.
const PAUSE: Duration = Duration::from_millis(50);

/// One partition and its bounds when reading began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Where reading begins.
    pub(super) start: i64,
    /// The next offset to be written when reading began.
    pub(super) high: i64,
    /// Where it ends; None when it goes on.
    pub(super) end: Option<i64>,
}

impl Part {
    pub(super) fn is_at(&self, place: &Place) -> bool {
        self.partition == place.partition && self.topic == place.topic
    }
}

/// The topics that patterns mean.
pub(super) fn resolve(about: &About, patterns: &[String], cluster: &Cluster) -> Result<Vec<String>> {
    let mut topics: Vec<String> = Vec::new();
    for pattern in patterns {
        let names = || cluster.topics.iter().map(|topic| topic.name.as_str());
        let found: Vec<&str> = names().filter(|name| is_meant(pattern, name)).collect();
        if found.is_empty() {
            return Err(unknown_topic(about, pattern, names()).into());
        }
        topics.extend(found.into_iter().map(str::to_owned));
    }
    topics.sort();
    topics.dedup();
    Ok(topics)
}

/// Whether a name or pattern means a topic. A star means none of the brokers' own.
pub(super) fn is_meant(pattern: &str, topic: &str) -> bool {
    if pattern.contains('*') { !topic.starts_with("__") && fits(pattern, topic) } else { pattern == topic }
}

/// The partitions to be read, with their bounds; one request a broker for each kind of bound.
pub(super) fn settle(
    consumer: &Consumer,
    topics: &[String],
    cluster: &Cluster,
    plan: &Plan,
    ears: &Ears,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for topic in topics.iter().filter_map(|name| cluster.topic(name)) {
        for partition in topic.partitions.iter().filter(|one| plan.partition.is_none_or(|wanted| wanted == one.id)) {
            if partition.leader.is_none() {
                let words = format!("{}[{}] has no leader", topic.name, partition.id);
                if plan.until != Until::Never {
                    bail!(Failure::Failed {
                        cause: format!("{words}: it cannot be read to its end"),
                        remedy: consumer
                            .context()
                            .about
                            .remedy("topic describe")
                            .then(&format!(" {} shows where its replicas are", topic.name)),
                    });
                }
                let _ = ears.notice(format!("Kafka: {words}; what was written to it so far is not shown"));
            }
            let leads = partition.leader.is_some();
            // Without a leader nothing can be asked: it is read from its end when there is one.
            let high = if leads { 0 } else { Offset::End.to_raw().unwrap_or(-1) };
            parts.push(Part { topic: topic.name.clone(), partition: partition.id, start: high, high, end: None });
        }
    }
    if parts.is_empty() {
        let partition = plan.partition.unwrap_or_default();
        bail!(Failure::Usage {
            cause: format!("{} has no partition {partition}", topics.join(", ")),
            remedy: consumer.context().about.remedy("topic list").then(" shows how many there are"),
        });
    }
    bounds(consumer, &mut parts, plan)?;
    Ok(parts)
}

fn bounds(consumer: &Consumer, parts: &mut [Part], plan: &Plan) -> Result<()> {
    let mut led: Vec<&mut Part> = parts.iter_mut().filter(|part| part.high >= 0).collect();
    let highs = lookup(consumer, &led, Offset::End, plan.patience)?;
    let lows = lookup(consumer, &led, Offset::Beginning, plan.patience)?;
    let starts = match plan.from {
        From::Time(time) => lookup(consumer, &led, Offset::Offset(time), plan.patience)?,
        _ => Vec::new(),
    };
    let now = now();
    let ends = match plan.until {
        Until::Time(time) if time <= now => lookup(consumer, &led, Offset::Offset(time), plan.patience)?,
        _ => Vec::new(),
    };
    let within = |found: Option<&Option<i64>>, high: i64| found.copied().flatten().unwrap_or(high);
    for (index, part) in led.iter_mut().enumerate() {
        let (low, high) = (within(lows.get(index), 0), within(highs.get(index), 0));
        part.high = high;
        part.start = match plan.from {
            From::Beginning => low,
            // With the newest of the past, all of it may have to be looked at.
            From::Now if plan.last.is_some() => low,
            From::Now => high,
            From::Time(_) => within(starts.get(index), high),
            From::Offset(offset) => offset.clamp(low, high),
        };
        part.end = match plan.until {
            Until::Never => None,
            Until::Now => Some(high),
            Until::Offset(offset) => Some(offset),
            Until::Time(time) => (time <= now).then(|| within(ends.get(index), high)),
        };
    }
    Ok(())
}

/// The offsets that partitions have at a time, or at their beginning or end; None where there is none yet.
fn lookup(consumer: &Consumer, parts: &[&mut Part], at: Offset, patience: Duration) -> Result<Vec<Option<i64>>> {
    let all: Vec<(&str, i32)> = parts.iter().map(|part| (part.topic.as_str(), part.partition)).collect();
    offsets_at(consumer, &all, at, patience)
}

/// As [`lookup`], by names.
pub(super) fn offsets_at(
    consumer: &Consumer,
    parts: &[(&str, i32)],
    at: Offset,
    patience: Duration,
) -> Result<Vec<Option<i64>>> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE);
        match ask(consumer, parts, at, left) {
            Err(failed) if passes(&failed.error) && Instant::now() < deadline => {}
            answer => return Ok(answer?),
        }
        // What it holds about leaders is old; without this it would ask the same broker the same way.
        let _ = consumer.fetch_metadata(None, left);
        std::thread::sleep(PAUSE);
    }
}

/// A question for offsets that was not answered.
#[derive(Debug, thiserror::Error)]
#[error("looking up offsets{}: {error}", partition.as_ref().map(|name| format!(" of {name}")).unwrap_or_default())]
struct NotAnswered {
    /// `topic[partition]`, where only this one was not.
    partition: Option<String>,
    error: KafkaError,
}

fn ask(
    consumer: &Consumer,
    parts: &[(&str, i32)],
    at: Offset,
    patience: Duration,
) -> Result<Vec<Option<i64>>, NotAnswered> {
    let whole = |error| NotAnswered { partition: None, error };
    let mut list = TopicPartitionList::new();
    for (topic, partition) in parts {
        list.add_partition_offset(topic, *partition, at).map_err(whole)?;
    }
    let found = consumer.offsets_for_times(list, patience).map_err(whole)?;
    let one = |(topic, partition): &(&str, i32)| {
        let failed = |error| NotAnswered { partition: Some(format!("{topic}[{partition}]")), error };
        let Some(element) = found.find_partition(topic, *partition) else {
            return Err(failed(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition)));
        };
        element.error().map_err(failed)?;
        Ok(match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    };
    parts.iter().map(one).collect()
}

/// Reads each partition from an offset on.
pub(super) fn assign<'a>(consumer: &Consumer, parts: impl Iterator<Item = (&'a Part, i64)>) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for (part, offset) in parts {
        list.add_partition_offset(&part.topic, part.partition, Offset::from_raw(offset)).context("naming an offset")?;
    }
    consumer.assign(&list).context("assigning partitions")
}

/// Also reads partitions of a topic, each from its beginning.
pub(super) fn assign_more(consumer: &Consumer, topic: &str, partitions: &[i32]) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, *partition, Offset::Beginning).context("naming an offset")?;
    }
    if list.count() == 0 {
        return Ok(());
    }
    consumer.incremental_assign(&list).context("assigning partitions")
}

/// Reads a topic, or one partition of it, no more.
pub(super) fn unassign(consumer: &Consumer, topic: &str, partition: Option<i32>) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for element in consumer.assignment().context("asking for the assignment")?.elements() {
        if element.topic() == topic && partition.is_none_or(|given| given == element.partition()) {
            list.add_partition(topic, element.partition());
        }
    }
    if list.count() == 0 {
        return Ok(());
    }
    consumer.incremental_unassign(&list).context("leaving partitions")
}
