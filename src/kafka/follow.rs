//! Telling messages as they come, until the end that was asked for.

use std::borrow::Cow;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use tokio_util::sync::CancellationToken;

use super::ends::Ends;
use super::member::Member;
use super::native::{Event, Place, Queue, Record};
use super::offsets::{assign_more, offsets_at, unassign};
use super::plan::{Consumer, Ears, Plan};
use super::topics::Change;
use super::troubles::{Follows, Troubles};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::message::{Broker, View, now};
use crate::place::Until;
use crate::stream::Told;

/// How long the reader may be deaf to being stopped.
const POLL: Duration = Duration::from_millis(50);
/// Between two looks at the clock and at what became of the topics, while messages keep coming.
const BUSY: u32 = 256;
/// So long nothing may come of what is there for certain.
const STALL: Duration = Duration::from_secs(60);
/// So long what is out of range may wait to be looked at.
const GATHERED: Duration = Duration::from_secs(1);
/// Within this time a topic that was made again is noticed by its id, where brokers tell it.
const NOTICED: Duration = Duration::from_secs(15);

/// What is followed, and how far.
pub(super) struct Follower<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) queue: &'a Queue<'a>,
    pub(super) plan: &'a Plan,
    pub(super) ears: &'a Ears,
    pub(super) stop: &'a CancellationToken,
    pub(super) changes: &'a Receiver<Change>,
    pub(super) ends: Ends,
    pub(super) troubles: Troubles,
    /// Reads as a member of a group, which decides on partitions.
    pub(super) member: Option<Member<'a>>,
    /// Places whose messages are gone, and since when that is known.
    pub(super) lost: Vec<(Place, Instant)>,
    is_away: bool,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        consumer: &'a Consumer,
        queue: &'a Queue<'a>,
        (plan, ears, stop): (&'a Plan, &'a Ears, &'a CancellationToken),
        changes: &'a Receiver<Change>,
        ends: Ends,
    ) -> Self {
        let troubles = Troubles::new(plan.strict);
        Self {
            consumer,
            queue,
            plan,
            ears,
            stop,
            changes,
            ends,
            troubles,
            member: None,
            lost: Vec::new(),
            is_away: false,
        }
    }

    /// Tells messages until all ends are reached, the ears have heard enough, or `stop` is cancelled.
    ///
    /// # Errors
    /// When something that was to be read cannot be, and this reader does not wait for what may never come.
    pub(super) fn run(&mut self) -> Result<()> {
        let mut end_time = match self.plan.until {
            Until::Time(time) if time > now() => Some(time),
            _ => None,
        };
        let (mut busy, mut came) = (0, Instant::now());
        while !self.stop.is_cancelled() && !self.ends.all_reached() {
            let mut event = self.queue.poll(Duration::ZERO);
            let is_idle = matches!(event, Event::Nothing);
            if is_idle {
                if (self.ears.tell)(Told::Idle).is_break() {
                    return Ok(());
                }
                if let Some(member) = &mut self.member {
                    member.seen()?;
                }
                event = self.queue.poll(POLL);
            }
            busy = if is_idle { 0 } else { (busy + 1) % BUSY };
            if busy == 0 {
                if let Some(time) = end_time.filter(|time| *time <= now()) {
                    self.end_at(time)?;
                    end_time = None;
                }
                self.keep_up(end_time.is_none())?;
            }
            match event {
                Event::Nothing => self.refuse_to_stall(came, end_time)?,
                Event::Message(message) => {
                    came = Instant::now();
                    if self.tell(&message).is_break() {
                        return self.troubles.verdict();
                    }
                }
                other => {
                    came = if matches!(other, Event::End(_)) { Instant::now() } else { came };
                    self.hear(other)?;
                }
            }
        }
        self.troubles.verdict()
    }

    fn tell(&mut self, message: &Record<'_>) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        if std::mem::take(&mut self.is_away) {
            self.troubles.passed();
            self.ears.notice("Kafka: messages arrive again".to_owned())?;
        }
        if !self.ends.admit(message.topic(), message.partition(), message.offset()) {
            return Continue(());
        }
        let view = view(message);
        if (self.ears.wanted)(&view) && (self.ears.tell)(Told::Message(&view)).is_break() {
            return Break(());
        }
        Continue(())
    }

    fn hear(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Nothing | Event::Message(_) => {}
            Event::End(place) => self.ends.at_end(&place),
            Event::Assigned(partitions) => {
                if let Some(member) = &mut self.member {
                    member.assigned(&partitions)?;
                }
            }
            Event::Revoked => {
                if let Some(member) = &mut self.member {
                    member.revoked()?;
                }
            }
            Event::Trouble(trouble) => {
                let is_known = trouble.place.is_some();
                match self.troubles.hear(trouble, self.ears)? {
                    Follows::Nothing => self.is_away |= !is_known,
                    Follows::GivenUp(place) => self.give_up(&place.topic, Some(place.partition))?,
                    Follows::OutOfRange(place) => self.lost.push((place, Instant::now())),
                }
            }
        }
        Ok(())
    }

    /// Whoever waits for a number of messages gets an answer at once, as they may never come; whoever reads to an
    /// end gets the other partitions first.
    fn give_up(&mut self, topic: &str, partition: Option<i32>) -> Result<()> {
        self.ends.give_up(topic, partition);
        if self.plan.until == Until::Never { self.troubles.verdict() } else { Ok(()) }
    }

    /// The time to end at has come: what is written from now on is not read.
    fn end_at(&mut self, time: i64) -> Result<()> {
        let Some(waiting) = self.ends.waiting() else { return Ok(()) };
        let positions = self.consumer.position().context("asking for positions")?;
        let parts: Vec<(&str, i32)> = waiting.iter().map(|end| (end.topic.as_str(), end.partition)).collect();
        let patience = self.plan.patience;
        let at = offsets_at(self.consumer, &parts, Offset::Offset(time), patience)?;
        let highs = offsets_at(self.consumer, &parts, Offset::End, patience)?;
        let ends: Vec<i64> = at.iter().zip(highs).map(|(at, high)| at.or(high).unwrap_or(0)).collect();
        for (end, offset) in waiting.iter_mut().zip(ends) {
            end.before = offset;
        }
        waiting.retain(|end| {
            let position = positions.find_partition(&end.topic, end.partition).map(|found| found.offset());
            // Where nothing was read yet there is no position, and nothing may be there.
            end.before > 0 && !matches!(position, Some(Offset::Offset(next)) if next >= end.before)
        });
        Ok(())
    }

    /// Nothing that is there for certain takes so long to come.
    fn refuse_to_stall(&mut self, came: Instant, end_time: Option<i64>) -> Result<()> {
        let is_bounded = matches!(self.plan.until, Until::Now | Until::Time(_)) && end_time.is_none();
        if !is_bounded || came.elapsed() < STALL {
            return Ok(());
        }
        self.troubles.verdict()?;
        let waiting = self.ends.waiting().into_iter().flatten();
        let names: Vec<String> = waiting.map(|end| format!("{}[{}]", end.topic, end.partition)).collect();
        bail!(Failure::Failed {
            cause: format!("nothing arrived from {} for {STALL:?}, although its end was not reached", names.join(", ")),
            remedy: Remedy::words("check whether a broker is down or stuck"),
        })
    }

    /// What became of the topics meanwhile.
    fn keep_up(&mut self, is_end_known: bool) -> Result<()> {
        while let Ok(change) = self.changes.try_recv() {
            self.follow_change(change, is_end_known)?;
        }
        if let Some(member) = &mut self.member {
            member.look_after()?;
        }
        let (late, rest) =
            std::mem::take(&mut self.lost).into_iter().partition(|(_, since)| since.elapsed() > GATHERED);
        self.lost = rest;
        for (place, since) in late {
            self.begin_again(place, since)?;
        }
        Ok(())
    }

    fn follow_change(&mut self, change: Change, is_end_known: bool) -> Result<()> {
        // What came after the end was settled is not asked for.
        let is_closed = self.plan.until != Until::Never && is_end_known;
        match change {
            Change::Topic { .. } | Change::Partitions { .. } if is_closed => Ok(()),
            Change::Topic { topic, partitions } => {
                self.say(format!("Kafka: topic {topic} is new; it is read from its beginning"));
                self.begin(&topic, &partitions)
            }
            Change::Partitions { topic, partitions } => {
                let count = partitions.len();
                let (noun, verb) = if count == 1 { ("partition", "is") } else { ("partitions", "are") };
                self.say(format!("Kafka: {topic} has {count} more {noun}, which {verb} read from the beginning"));
                self.begin(&topic, &partitions)
            }
            Change::Deleted { topic } => {
                self.leave(&topic)?;
                if self.plan.strict && is_closed {
                    self.troubles.hold(format!("topic {topic} was deleted while it was read"), self.ears);
                    return self.give_up(&topic, None);
                }
                self.say(format!(
                    "Kafka: topic {topic} was deleted; if it is created again, it is read from its beginning"
                ));
                Ok(())
            }
            Change::Recreated { topic, partitions } => {
                self.leave(&topic)?;
                if is_closed {
                    let words = format!("topic {topic} was deleted and created again while it was read");
                    self.troubles.hold(words, self.ears);
                    return self.give_up(&topic, None);
                }
                self.say(format!("Kafka: topic {topic} was deleted and created again; it is read from its beginning"));
                match &mut self.member {
                    Some(member) => member.begin_again(&topic, None),
                    None => self.begin(&topic, &partitions),
                }
            }
        }
    }

    fn say(&self, words: String) {
        let _ = self.ears.notice(words);
    }

    /// Reads partitions from their beginning.
    fn begin(&mut self, topic: &str, partitions: &[i32]) -> Result<()> {
        if let Some(member) = &mut self.member {
            return member.expect(topic, partitions);
        }
        let wanted = |id: &&i32| self.plan.partition.is_none_or(|wanted| wanted == **id);
        let wanted: Vec<i32> = partitions.iter().filter(wanted).copied().collect();
        for id in &wanted {
            self.ends.add(topic, *id);
        }
        assign_more(self.consumer, topic, &wanted)
    }

    /// Reads nothing of a topic any more.
    fn leave(&mut self, topic: &str) -> Result<()> {
        self.lost.retain(|(place, _)| place.topic != topic);
        match &mut self.member {
            Some(member) => {
                member.forget(topic);
                Ok(())
            }
            None => unassign(self.consumer, topic, None),
        }
    }

    /// Messages were deleted before they could be read: goes on with the first that is there.
    fn begin_again(&mut self, place: Place, since: Instant) -> Result<()> {
        let Place { topic, partition, offset } = &place;
        let low = self.consumer.fetch_watermarks(topic, *partition, self.plan.patience).map_or(-1, |(low, _)| low);
        if low <= *offset && since.elapsed() < NOTICED {
            self.lost.push((place, since));
            return Ok(());
        }
        let words = if low > *offset {
            format!("{topic}[{partition}]: offsets {offset} to {} were deleted before they could be read", low - 1)
        } else {
            format!("{topic}[{partition}]: the records after offset {offset} no longer exist")
        };
        self.troubles.hold(words, self.ears);
        if let Some(member) = &mut self.member {
            return member.begin_again(topic, Some(*partition));
        }
        unassign(self.consumer, topic, Some(*partition))?;
        assign_more(self.consumer, topic, &[*partition])
    }
}

/// The message as everybody is told of it.
pub(super) fn view<'a>(message: &'a Record<'_>) -> View<'a> {
    View {
        broker: Broker::Kafka,
        topic: Cow::Borrowed(message.topic()),
        partition: Some(message.partition()),
        offset: Some(message.offset()),
        qos: None,
        retained: None,
        key: message.key(),
        headers: message.headers(),
        properties: None,
        time: message.time(),
        value: message.value(),
    }
}
