//! A member of a consumer group: where it reads in the partitions that it is given, and how far it was.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::offsets::Part;
use super::plan::{Consumer, Membership};

/// Within this time the members of a group hear of new partitions.
const HEARD: Duration = Duration::from_secs(3);

/// A partition of a topic.
type Name = (String, i32);

/// A member, and where it reads.
pub(super) struct Member<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) membership: &'a Membership,
    pub(super) patience: Duration,
    topics: Vec<String>,
    /// Where reading began in the partitions that were there; one that came later is read from its beginning.
    starts: HashMap<Name, i64>,
    /// How far it was in partitions that were taken back.
    left: HashMap<Name, i64>,
    /// Topics that were deleted: a place in one of them means nothing in the next of its name.
    gone: HashSet<String>,
    /// Where it began in the partitions that it has.
    given: HashMap<Name, i64>,
    committed: TopicPartitionList,
    /// Partitions that came while it was a member, until the group has decided on them.
    expected: Vec<Name>,
    expected_since: Instant,
    /// Whether it has any partition.
    pub(super) is_assigned: bool,
}

impl<'a> Member<'a> {
    /// Joins the group; partitions are assigned later.
    pub(super) fn join(
        consumer: &'a Consumer,
        membership: &'a Membership,
        topics: &[String],
        parts: &[Part],
        patience: Duration,
    ) -> Result<Self> {
        let start = |part: &Part| ((part.topic.clone(), part.partition), part.start);
        let mut member = Self {
            consumer,
            membership,
            patience,
            topics: topics.to_vec(),
            starts: parts.iter().map(start).collect(),
            left: HashMap::new(),
            gone: HashSet::new(),
            given: HashMap::new(),
            committed: TopicPartitionList::new(),
            expected: Vec::new(),
            expected_since: Instant::now(),
            is_assigned: false,
        };
        // Where the group has a place in some partitions of a topic, the others came while nobody read.
        let all: Vec<Name> = member.starts.keys().cloned().collect();
        let read: HashSet<String> = member.committed_in(&all)?.into_keys().map(|(topic, _)| topic).collect();
        member.starts.retain(|(topic, _), _| !read.contains(topic));
        member.subscribe()?;
        Ok(member)
    }

    fn committed_in(&self, partitions: &[Name]) -> Result<HashMap<Name, i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let asking = || format!("asking how far group {} is", self.membership.group);
        let known = self.consumer.committed_offsets(list, self.patience).with_context(asking)?;
        let offset = |name: &Name| match known.find_partition(&name.0, name.1)?.offset() {
            Offset::Offset(offset) => Some((name.clone(), offset)),
            _ => None,
        };
        Ok(partitions.iter().filter_map(offset).collect())
    }

    /// The group gives it partitions: each is read from where the group or this member stopped, else from where
    /// reading began. The library alone would pass over what a new partition got before it was assigned.
    pub(super) fn assigned(&mut self, partitions: &[Name]) -> Result<()> {
        let committed = self.committed_in(partitions)?;
        let mut places = TopicPartitionList::new();
        self.given.clear();
        for name in partitions {
            let stopped = committed.get(name).max(self.left.get(name)).copied();
            let offset = stopped.or_else(|| self.starts.get(name).copied());
            self.given.extend(offset.filter(|offset| *offset >= 0).map(|offset| (name.clone(), offset)));
            let offset = offset.map_or(Offset::Beginning, Offset::from_raw);
            places.add_partition_offset(&name.0, name.1, offset).context("naming an offset")?;
        }
        self.is_assigned = !partitions.is_empty();
        if self.expected.iter().any(|expected| partitions.contains(expected)) {
            self.expected.clear();
        }
        self.consumer.assign(&places).context("assigning partitions")
    }

    /// The group takes all partitions back, at least until it has decided anew.
    pub(super) fn revoked(&mut self) -> Result<()> {
        for element in self.consumer.position().context("asking for positions")?.elements() {
            if let Offset::Offset(offset) = element.offset()
                && !self.gone.contains(element.topic())
            {
                self.left.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        self.is_assigned = false;
        self.consumer.unassign().context("giving partitions back")
    }

    /// Partitions came, or came back. The group decides who reads them, as soon as its members hear of them.
    pub(super) fn expect(&mut self, topic: &str, partitions: &[i32]) -> Result<()> {
        if !self.topics.iter().any(|name| name == topic) {
            self.topics.push(topic.to_owned());
            return self.subscribe();
        }
        if self.gone.remove(topic) {
            // The group may not have taken it back yet, or have given it again.
            self.begin_again(topic, None)?;
        }
        self.expected.extend(partitions.iter().map(|partition| (topic.to_owned(), *partition)));
        self.expected_since = Instant::now();
        Ok(())
    }

    /// A member that divides partitions asks any broker what there is. One that has not heard yet of new ones makes
    /// it leave them out, and nothing lets the library do so again, but joining again.
    pub(super) fn look_after(&mut self) -> Result<()> {
        if self.expected.is_empty() || self.expected_since.elapsed() < HEARD {
            return Ok(());
        }
        self.expected.clear();
        self.subscribe()
    }

    /// Reads what it has of a topic from the beginning: it was made again, or what was to be read is gone. The others
    /// go on where they are.
    pub(super) fn begin_again(&mut self, topic: &str, partition: Option<i32>) -> Result<()> {
        self.gone.remove(topic);
        let is_meant = |element: &TopicPartitionListElem<'_>| {
            element.topic() == topic && partition.is_none_or(|given| given == element.partition())
        };
        let positions = self.consumer.position().context("asking for positions")?;
        if !positions.elements().iter().any(is_meant) {
            return Ok(());
        }
        let mut places = TopicPartitionList::new();
        for element in positions.elements() {
            let name = (element.topic().to_owned(), element.partition());
            let offset = match element.offset() {
                _ if is_meant(&element) => Offset::Beginning,
                Offset::Offset(offset) => Offset::Offset(offset),
                _ => self.given.get(&name).map_or(Offset::Beginning, |offset| Offset::Offset(*offset)),
            };
            places.add_partition_offset(&name.0, name.1, offset).context("naming an offset")?;
        }
        self.consumer.assign(&places).context("assigning partitions")
    }

    /// A topic was deleted, and what was known of it means nothing any more.
    pub(super) fn forget(&mut self, topic: &str) {
        self.gone.insert(topic.to_owned());
        self.starts.retain(|(name, _), _| name != topic);
        self.left.retain(|(name, _), _| name != topic);
        self.given.retain(|(name, _), _| name != topic);
    }

    /// Everything told so far has been seen: commits the positions.
    pub(super) fn seen(&mut self) -> Result<()> {
        if !self.membership.ack {
            return Ok(());
        }
        let positions = self.consumer.position().context("asking for positions")?;
        let mut news = TopicPartitionList::new();
        for element in positions.elements() {
            let name = (element.topic().to_owned(), element.partition());
            // Where nothing came yet, the group's place is where this member began.
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => self.given.get(&name).copied(),
            };
            if let Some(offset) = offset {
                news.add_partition_offset(&name.0, name.1, Offset::Offset(offset)).context("naming an offset")?;
            }
        }
        if news.count() == 0 || news == self.committed {
            return Ok(());
        }
        self.consumer.commit(&news, CommitMode::Sync).context("committing offsets")?;
        self.committed = news;
        Ok(())
    }

    fn subscribe(&self) -> Result<()> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).with_context(|| format!("joining group {}", self.membership.group))
    }
}
