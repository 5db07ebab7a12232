//! The past of many partitions in the order of time.
//!
//! Each partition comes in its own order and its own queue; the oldest head of all of them is told next.
//! Queues are bounded, so memory is, however long the past is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

use super::follow::view;
use super::native::{Event, Place, Queue, Record};
use super::offsets::{Part, assign};
use super::plan::{Consumer, Ears};
use super::troubles::{Follows, Troubles};
use crate::message::Message;
use crate::stream::Told;

/// How long the reader may be deaf to being stopped.
const POLL: Duration = Duration::from_millis(50);
/// How long one partition is waited for before events of all are looked at.
const WAIT: Duration = Duration::from_millis(5);
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

/// Waits until something of a range comes, and takes it.
fn step(
    queue: &Queue<'_>,
    ranges: &mut [Range<'_>],
    hit: &mut usize,
    hear: &mut dyn FnMut(Event<'_>) -> Result<Option<Place>>,
    keep: &mut dyn FnMut(&Record<'_>),
) -> Result<()> {
    match queue.poll(POLL) {
        Event::Message(message) => {
            let is_it =
                |range: &Range<'_>| range.part.partition == message.partition() && range.part.topic == message.topic();
            if !ranges.get(*hit).is_some_and(is_it) {
                match ranges.iter().position(is_it) {
                    Some(found) => *hit = found,
                    None => return Ok(()),
                }
            }
            let range = &mut ranges[*hit];
            if message.offset() < range.end {
                range.oldest.get_or_insert(message.time());
                keep(&message);
            }
            range.is_read |= message.offset() + 1 >= range.end;
        }
        // Transaction markers and compaction leave offsets that no message has.
        Event::End(place) => {
            for range in ranges.iter_mut().filter(|range| range.part.is_at(&place)) {
                range.is_read |= place.offset >= range.end;
            }
        }
        event => {
            if let Some(place) = hear(event)? {
                ranges.iter_mut().filter(|range| range.part.is_at(&place)).for_each(|range| range.is_read = true);
            }
        }
    }
    Ok(())
}

/// Names what is wrong; the partition that is given up for it. What is there is told all the same.
fn hear(event: Event<'_>, troubles: &mut Troubles, ears: &Ears) -> Result<Option<Place>> {
    let Event::Trouble(trouble) = event else { return Ok(None) };
    Ok(match troubles.hear(trouble, ears)? {
        Follows::Nothing => None,
        Follows::GivenUp(place) => Some(place),
        Follows::OutOfRange(place) => {
            let Place { topic, partition, offset } = &place;
            troubles.hold(format!("{topic}[{partition}]@{offset} was deleted before it could be read"), ears);
            Some(place)
        }
    })
}

/// A partition's own queue, and the message that it would tell next. Whoever is ahead waits in its queue,
/// which the library does not fill further.
struct Lane<'a> {
    part: &'a Part,
    queue: &'a Queue<'a>,
    head: Option<Record<'a>>,
    is_read: bool,
}

impl Lane<'_> {
    /// Takes what the queue has: the next head, or that there is none to come.
    fn advance(&mut self, troubles: &mut Troubles, ears: &Ears) -> Result<()> {
        match self.queue.poll(WAIT) {
            Event::Message(message) => {
                let next = message.offset() + 1;
                self.is_read = next >= self.part.high;
                if next <= self.part.high && (ears.wanted)(&view(&message)) {
                    self.head = Some(message);
                }
            }
            // Transaction markers and compaction leave offsets that no message has.
            Event::End(place) => self.is_read |= place.offset >= self.part.high,
            event => self.is_read |= hear(event, troubles, ears)?.is_some(),
        }
        Ok(())
    }

    fn time(&self) -> Option<i64> {
        self.head.as_ref().map(Record::time)
    }
}

fn merge(consumer: &Consumer, parts: &[Part], ears: &Ears, stop: &CancellationToken) -> Result<ControlFlow<()>> {
    let past: Vec<&Part> = parts.iter().filter(|part| part.start < part.high).collect();
    let own = Queue::of(consumer).context("preparing the consumer's queue")?;
    let queues: Option<Vec<_>> =
        past.iter().map(|part| Queue::of_partition(consumer, &part.topic, part.partition)).collect();
    let queues = queues.context("preparing a partition's queue")?;
    assign(consumer, past.iter().map(|part| (*part, part.start)))?;
    let lane = |(part, queue)| Lane { part, queue, head: None, is_read: false };
    let mut lanes: Vec<Lane<'_>> = past.into_iter().zip(&queues).map(lane).collect();
    let mut troubles = Troubles::new(false);
    loop {
        // As long as a partition may still send something older, nothing can be told.
        while let Some(lane) = lanes.iter_mut().find(|lane| lane.head.is_none() && !lane.is_read) {
            if stop.is_cancelled() {
                return Ok(ControlFlow::Break(()));
            }
            lane.advance(&mut troubles, ears)?;
            if lane.head.is_none() {
                let given_up = hear(own.poll(Duration::ZERO), &mut troubles, ears)?;
                let lost = |lane: &&mut Lane<'_>| given_up.as_ref().is_some_and(|place| lane.part.is_at(place));
                lanes.iter_mut().filter(lost).for_each(|lane| lane.is_read = true);
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
    let queue = Queue::of(consumer).context("preparing the consumer's queue")?;
    let mut troubles = Troubles::new(false);
    let mut hear = |event: Event<'_>| hear(event, &mut troubles, ears);
    let window = i64::try_from(count).unwrap_or(i64::MAX / FURTHER).max(1);
    // Ordered by time; by arrival where times are the same.
    let mut found: BinaryHeap<Reverse<(i64, i64, usize, Found)>> = BinaryHeap::new();
    let mut ranges: Vec<Range<'_>> = parts.iter().map(|part| back(part, part.high, window)).collect();
    let mut reach = window;
    while count > 0 && !ranges.is_empty() {
        begin(consumer, &ranges)?;
        let mut hit = 0;
        while ranges.iter().any(|range| !range.is_read) {
            if stop.is_cancelled() {
                return Ok(Vec::new());
            }
            step(&queue, &mut ranges, &mut hit, &mut hear, &mut |message| {
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
