//! Telling messages as they come, until the end that was asked for.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use tokio_util::sync::CancellationToken;

use super::consume::{Consumer, Ears};
use super::offsets::{Part, offsets_at};
use crate::message::{Broker, View};
use crate::reading::{Told, Until};

/// How long the reader may be deaf to being stopped.
const POLL: Duration = Duration::from_millis(50);

/// Partitions that are still to be read up to an offset.
pub(super) struct Ends {
    waiting: Option<Vec<End>>,
    /// Where the partition of the last message stands in it: most messages share it with the one before.
    hit: usize,
}

struct End {
    topic: String,
    partition: i32,
    before: i64,
}

impl Ends {
    pub(super) fn new(parts: &[Part], until: Until) -> Self {
        let of = |part: &Part| {
            let before = part.end.unwrap_or(i64::MAX);
            (part.start < before).then(|| End { topic: part.topic.clone(), partition: part.partition, before })
        };
        let ends = until != Until::Never;
        Self { waiting: ends.then(|| parts.iter().filter_map(of).collect()), hit: 0 }
    }

    fn all_reached(&self) -> bool {
        self.waiting.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether a message lies before its partition's end; one that lies at the end settles the partition.
    fn admit(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        let Some(waiting) = &mut self.waiting else { return true };
        let is_it = |end: &End| end.partition == partition && end.topic == topic;
        if !waiting.get(self.hit).is_some_and(is_it) {
            match waiting.iter().position(is_it) {
                Some(found) => self.hit = found,
                None => return false,
            }
        }
        let end = waiting[self.hit].before;
        if offset + 1 >= end {
            waiting.swap_remove(self.hit);
        }
        offset < end
    }

    /// A partition has no more messages: its last offsets may hold transaction markers or were compacted
    /// away, so that no message ever has them. The library names the partition but not the topic.
    fn at_end(&mut self, consumer: &Consumer, partition: i32) {
        let Some(waiting) = &mut self.waiting else { return };
        let Ok(positions) = consumer.position() else { return };
        waiting.retain(|end| {
            let position = positions.find_partition(&end.topic, end.partition).map(|found| found.offset());
            end.partition != partition || !matches!(position, Some(Offset::Offset(next)) if next >= end.before)
        });
    }

    /// The time to end at has come: what is written from now on is not read.
    fn end_at(&mut self, consumer: &Consumer, time: i64) -> Result<()> {
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        let positions = consumer.position().context("asking for positions")?;
        let parts: Vec<(&str, i32)> = waiting.iter().map(|end| (end.topic.as_str(), end.partition)).collect();
        let at = offsets_at(consumer, &parts, Offset::Offset(time))?;
        let highs = offsets_at(consumer, &parts, Offset::End)?;
        let ends: Vec<i64> = at.iter().zip(highs).map(|(at, high)| at.or(high).unwrap_or(0)).collect();
        for (end, offset) in waiting.iter_mut().zip(ends) {
            end.before = offset;
        }
        waiting.retain(|end| {
            let position = positions.find_partition(&end.topic, end.partition).map(|found| found.offset());
            !matches!(position, Some(Offset::Offset(next)) if next >= end.before)
        });
        Ok(())
    }
}

/// Tells messages until all ends are reached, the ears have heard enough, or `stop` is cancelled.
/// `idle` is called when everything told so far has been seen.
pub(super) fn follow(
    consumer: &Consumer,
    ends: &mut Ends,
    until: Until,
    ears: &Ears,
    stop: &CancellationToken,
    idle: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let mut is_away = false;
    let mut end_time = match until {
        Until::Time(time) if time > now() => Some(time),
        _ => None,
    };
    while !stop.is_cancelled() && !ends.all_reached() {
        let mut polled = consumer.poll(Duration::ZERO);
        if polled.is_none() {
            if (ears.tell)(Told::Idle).is_break() {
                return Ok(());
            }
            idle()?;
            polled = consumer.poll(POLL);
        }
        if let Some(time) = end_time.filter(|time| *time <= now()) {
            ends.end_at(consumer, time)?;
            end_time = None;
        }
        match polled {
            None => {}
            Some(Ok(message)) => {
                if std::mem::take(&mut is_away) && ears.notice("Kafka: messages arrive again".to_owned()).is_break() {
                    return Ok(());
                }
                if !ends.admit(message.topic(), message.partition(), message.offset()) {
                    continue;
                }
                let view = view(&message);
                if (ears.wanted)(&view) && (ears.tell)(Told::Message(&view)).is_break() {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => ends.at_end(consumer, partition),
            // Told by the client's own events, once.
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) => {}
            Some(Err(error)) => {
                fatal(&error)?;
                if !std::mem::replace(&mut is_away, true) {
                    let _ = ears.notice(format!("Kafka: {error}; trying on"));
                }
            }
        }
    }
    Ok(())
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Errors that trying on does not heal.
pub(super) fn fatal(error: &KafkaError) -> Result<()> {
    let words = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => "the topic was deleted",
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => "this login may not read the topic",
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            "messages were deleted before they could be read"
        }
        Some(RDKafkaErrorCode::Fatal) => "reading from Kafka",
        _ => return Ok(()),
    };
    Err(anyhow::Error::new(error.clone()).context(words))
}

/// The message as everybody is told of it.
pub(super) fn view<'a>(message: &'a BorrowedMessage<'_>) -> View<'a> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    View {
        broker: Broker::Kafka,
        topic: Cow::Borrowed(message.topic()),
        partition: Some(message.partition()),
        offset: Some(message.offset()),
        qos: None,
        retained: None,
        key: message.key(),
        headers: headers.map(|header| (Cow::Borrowed(header.key), header.value)).collect(),
        properties: None,
        time: message.timestamp().to_millis().unwrap_or_default(),
        value: message.payload(),
    }
}
