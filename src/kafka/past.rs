//! The past of many partitions in the order of time.
//!
//! Each partition comes in its own order and its own queue; the oldest head of all of them is told next.
//! Queues are bounded, so memory is, however long the past is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use tokio_util::sync::CancellationToken;

use super::consume::{Consumer, Ears, Watcher};
use super::follow::{fatal, view};
use super::offsets::{Part, assign};
use crate::message::Message;
use crate::reading::Told;

/// How long the reader may be deaf to being stopped.
const POLL: Duration = Duration::from_millis(50);
/// How long one partition is waited for before events of all are looked at.
const WAIT: Duration = Duration::from_millis(5);
/// By how much a look back reaches further than the one before.
const FURTHER: i64 = 8;

/// Tells everything that was there when reading began, or the newest `last` of it.
pub(super) fn tell(
    consumer: &Arc<Consumer>,
    parts: &[Part],
    last: Option<usize>,
    ears: &Ears,
    stop: &CancellationToken,
) -> Result<ControlFlow<()>> {
    match last {
        None => merge(consumer, parts, ears, stop),
        Some(count) => {
            for message in newest(consumer, parts, count, ears, stop)? {
                if (ears.tell)(Told::Message(&message.view())).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok((ears.tell)(Told::Idle))
        }
    }
}

/// A partition from an offset up to another.
struct Range<'a> {
    part: &'a Part,
    start: i64,
    end: i64,
    /// Whether everything up to the end has come.
    is_read: bool,
    /// The time of its first message.
    oldest: Option<i64>,
}

impl<'a> Range<'a> {
    fn new(part: &'a Part, start: i64, end: i64) -> Self {
        let is_read = start >= end;
        Self { part, start, end, is_read, oldest: None }
    }
}

fn begin(consumer: &Consumer, ranges: &[Range<'_>]) -> Result<()> {
    assign(consumer, ranges.iter().filter(|range| !range.is_read).map(|range| (range.part, range.start)))
}

/// Reads until something of a range came; false when told to stop.
fn step(
    consumer: &Consumer,
    ranges: &mut [Range<'_>],
    hit: &mut usize,
    stop: &CancellationToken,
    keep: &mut dyn FnMut(&BorrowedMessage<'_>),
) -> Result<bool> {
    if stop.is_cancelled() {
        return Ok(false);
    }
    match consumer.poll(POLL) {
        None => {}
        Some(Ok(message)) => {
            let is_it =
                |range: &Range<'_>| range.part.partition == message.partition() && range.part.topic == message.topic();
            if !ranges.get(*hit).is_some_and(is_it) {
                match ranges.iter().position(is_it) {
                    Some(found) => *hit = found,
                    None => return Ok(true),
                }
            }
            let range = &mut ranges[*hit];
            if message.offset() < range.end {
                range.oldest.get_or_insert(message.timestamp().to_millis().unwrap_or_default());
                keep(&message);
            }
            range.is_read |= message.offset() + 1 >= range.end;
        }
        Some(Err(KafkaError::PartitionEOF(partition))) => {
            // Transaction markers and compaction leave offsets that no message has.
            let positions = consumer.position().context("asking for positions")?;
            for range in ranges.iter_mut().filter(|range| range.part.partition == partition) {
                let position = positions.find_partition(&range.part.topic, partition).map(|found| found.offset());
                range.is_read |= matches!(position, Some(Offset::Offset(next)) if next >= range.end);
            }
        }
        Some(Err(error)) => fatal(&error)?,
    }
    Ok(true)
}

/// A partition's own queue, and the message that it would tell next. Whoever is ahead waits in its queue,
/// which the library does not fill further.
struct Lane<'a> {
    part: &'a Part,
    queue: &'a PartitionQueue<Watcher>,
    head: Option<BorrowedMessage<'a>>,
    is_read: bool,
}

impl Lane<'_> {
    /// Takes what the queue has: the next head, or that there is none to come.
    fn advance(&mut self, consumer: &Consumer, ears: &Ears) -> Result<()> {
        match self.queue.poll(WAIT) {
            None => {}
            Some(Ok(message)) => {
                let next = message.offset() + 1;
                self.is_read = next >= self.part.high;
                if next <= self.part.high && (ears.wanted)(&view(&message)) {
                    self.head = Some(message);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                // Transaction markers and compaction leave offsets that no message has.
                let positions = consumer.position().context("asking for positions")?;
                let position = positions.find_partition(&self.part.topic, self.part.partition);
                let position = position.map(|found| found.offset());
                self.is_read = matches!(position, Some(Offset::Offset(next)) if next >= self.part.high);
            }
            Some(Err(error)) => fatal(&error)?,
        }
        Ok(())
    }

    fn time(&self) -> Option<i64> {
        self.head.as_ref().map(|head| head.timestamp().to_millis().unwrap_or_default())
    }
}

fn merge(consumer: &Arc<Consumer>, parts: &[Part], ears: &Ears, stop: &CancellationToken) -> Result<ControlFlow<()>> {
    let past: Vec<&Part> = parts.iter().filter(|part| part.start < part.high).collect();
    let queues: Option<Vec<_>> =
        past.iter().map(|part| consumer.split_partition_queue(&part.topic, part.partition)).collect();
    let queues = queues.context("preparing a partition's queue")?;
    assign(consumer, past.iter().map(|part| (*part, part.start)))?;
    let lane = |(part, queue)| Lane { part, queue, head: None, is_read: false };
    let mut lanes: Vec<Lane<'_>> = past.into_iter().zip(&queues).map(lane).collect();
    loop {
        // As long as a partition may still send something older, nothing can be told.
        while let Some(lane) = lanes.iter_mut().find(|lane| lane.head.is_none() && !lane.is_read) {
            if stop.is_cancelled() {
                return Ok(ControlFlow::Break(()));
            }
            lane.advance(consumer, ears)?;
            if lane.head.is_none()
                && let Some(Err(error)) = consumer.poll(Duration::ZERO)
            {
                fatal(&error)?;
            }
        }
        let oldest = lanes.iter_mut().filter(|lane| lane.head.is_some()).min_by_key(|lane| lane.time());
        let Some(head) = oldest.and_then(|lane| lane.head.take()) else { return Ok((ears.tell)(Told::Idle)) };
        if (ears.tell)(Told::Message(&view(&head))).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// The newest wanted messages of all partitions together, oldest first. Looks back further and further,
/// until no partition can hold a newer one than those that were found.
fn newest(
    consumer: &Consumer,
    parts: &[Part],
    count: usize,
    ears: &Ears,
    stop: &CancellationToken,
) -> Result<Vec<Message>> {
    let window = i64::try_from(count).unwrap_or(i64::MAX / FURTHER).max(1);
    // Ordered by time; by arrival where times are the same.
    let mut found: BinaryHeap<Reverse<(i64, i64, usize, Found)>> = BinaryHeap::new();
    let mut ranges: Vec<Range<'_>> = parts.iter().map(|part| back(part, part.high, window)).collect();
    let mut reach = window;
    while count > 0 && !ranges.is_empty() {
        begin(consumer, &ranges)?;
        let mut hit = 0;
        while ranges.iter().any(|range| !range.is_read) {
            let going = step(consumer, &mut ranges, &mut hit, stop, &mut |message| {
                let view = view(message);
                let is_newer = found.len() < count || found.peek().is_some_and(|Reverse((time, ..))| view.time > *time);
                if is_newer && (ears.wanted)(&view) {
                    let order = usize::try_from(message.partition()).unwrap_or_default();
                    found.push(Reverse((view.time, message.offset(), order, Found(view.to_message()))));
                    if found.len() > count {
                        found.pop();
                    }
                }
            })?;
            if !going {
                return Ok(Vec::new());
            }
        }
        let threshold = found.peek().filter(|_| found.len() == count).map(|Reverse((time, ..))| *time);
        reach = reach.saturating_mul(FURTHER);
        ranges.retain(|range| {
            let may_hold_newer = match (range.oldest, threshold) {
                (Some(oldest), Some(threshold)) => oldest > threshold,
                _ => true,
            };
            range.start > range.part.start && may_hold_newer
        });
        ranges = ranges.iter().map(|range| back(range.part, range.start, reach)).collect();
    }
    let mut newest: Vec<_> = found.into_vec();
    newest.sort_by_key(|Reverse((time, offset, order, _))| (*time, *offset, *order));
    Ok(newest.into_iter().map(|Reverse((.., Found(message)))| message).collect())
}

/// The offsets before `end`, at most `by` of them and none before the partition's start.
fn back(part: &Part, end: i64, by: i64) -> Range<'_> {
    Range::new(part, end.saturating_sub(by).max(part.start), end)
}

/// A message beside its time, which alone orders it.
struct Found(Message);

impl PartialEq for Found {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
