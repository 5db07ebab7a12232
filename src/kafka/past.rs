//! The past of many partitions in the order of time.
//!
//! Each partition comes in its own order; the oldest head of all of them is told next. A partition that
//! is far ahead is paused, so memory stays bounded however long the past is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::consume::{Consumer, Ears};
use super::follow::{fatal, view};
use super::offsets::{Part, assign};
use crate::message::Message;
use crate::reading::Told;

/// How long the reader may be deaf to being stopped.
const POLL: Duration = Duration::from_millis(50);
/// Bytes of one partition that wait for the others, and then it is paused.
const AHEAD: usize = 512 * 1024;
/// What a message takes beside its payload, about.
const OVERHEAD: usize = 300;
/// By how much a look back reaches further than the one before.
const FURTHER: i64 = 8;

/// Tells everything that was there when reading began, or the newest `last` of it.
pub(super) fn tell(
    consumer: &Consumer,
    parts: &[Part],
    last: Option<usize>,
    ears: &Ears,
    stop: &CancellationToken,
) -> Result<ControlFlow<()>> {
    let ranges: Vec<Range<'_>> = parts.iter().map(|part| Range::new(part, part.start, part.high)).collect();
    match last {
        None => merge(consumer, ranges, ears, stop),
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
    heads: VecDeque<Message>,
    bytes: usize,
    is_paused: bool,
    /// The time of its first message.
    oldest: Option<i64>,
}

impl<'a> Range<'a> {
    fn new(part: &'a Part, start: i64, end: i64) -> Self {
        let is_read = start >= end;
        Self { part, start, end, is_read, heads: VecDeque::new(), bytes: 0, is_paused: false, oldest: None }
    }

    fn size(message: &Message) -> usize {
        OVERHEAD + message.value.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len)
    }

    fn list(&self) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        let offset = Offset::Offset(self.start);
        list.add_partition_offset(&self.part.topic, self.part.partition, offset).context("naming a partition")?;
        Ok(list)
    }

    fn throttle(&mut self, consumer: &Consumer) -> Result<()> {
        if !self.is_paused && self.bytes > AHEAD {
            consumer.pause(&self.list()?).context("pausing a partition")?;
            self.is_paused = true;
        } else if self.is_paused && self.bytes < AHEAD / 2 {
            consumer.resume(&self.list()?).context("resuming a partition")?;
            self.is_paused = false;
        }
        Ok(())
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
    keep: &mut dyn FnMut(&mut Range<'_>, &rdkafka::message::BorrowedMessage<'_>) -> Result<()>,
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
                keep(range, &message)?;
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

fn merge(
    consumer: &Consumer,
    mut ranges: Vec<Range<'_>>,
    ears: &Ears,
    stop: &CancellationToken,
) -> Result<ControlFlow<()>> {
    begin(consumer, &ranges)?;
    let mut hit = 0;
    loop {
        // As long as a partition may still send something older, nothing can be told.
        while ranges.iter().any(|range| !range.is_read && range.heads.is_empty()) {
            let going = step(consumer, &mut ranges, &mut hit, stop, &mut |range, message| {
                let view = view(message);
                if (ears.wanted)(&view) {
                    let message = view.to_message();
                    range.bytes += Range::size(&message);
                    range.heads.push_back(message);
                    range.throttle(consumer)?;
                }
                Ok(())
            })?;
            if !going {
                return Ok(ControlFlow::Break(()));
            }
        }
        let heads = ranges.iter().enumerate().filter_map(|(at, range)| Some((range.heads.front()?.time, at)));
        let Some((_, oldest)) = heads.min() else { return Ok((ears.tell)(Told::Idle)) };
        let range = &mut ranges[oldest];
        if let Some(message) = range.heads.pop_front() {
            range.bytes -= Range::size(&message);
            range.throttle(consumer)?;
            if (ears.tell)(Told::Message(&message.view())).is_break() {
                return Ok(ControlFlow::Break(()));
            }
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
            let going = step(consumer, &mut ranges, &mut hit, stop, &mut |_, message| {
                let view = view(message);
                let is_newer = found.len() < count || found.peek().is_some_and(|Reverse((time, ..))| view.time > *time);
                if is_newer && (ears.wanted)(&view) {
                    let order = usize::try_from(message.partition()).unwrap_or_default();
                    found.push(Reverse((view.time, message.offset(), order, Found(view.to_message()))));
                    if found.len() > count {
                        found.pop();
                    }
                }
                Ok(())
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
