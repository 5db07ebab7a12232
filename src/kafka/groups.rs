//! Consumer groups from outside: who is in them, how far they are, and moving them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::access::Access;
use super::admin::known_cluster;
use super::cluster::Cluster;
use super::names::unknown_names;
use super::views;
use crate::about::About;
use crate::place::From;

/// A group as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// The coordinator's word: `Stable`, `Empty`, …
    pub state: String,
    pub members: Vec<Member>,
}

/// Somebody who is in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub client_id: String,
    pub host: String,
    /// What it was given, by topic.
    pub partitions: BTreeMap<String, Vec<i32>>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub topic: String,
    pub partition: i32,
    /// The next offset that it will read; None where it has committed nothing.
    pub committed: Option<i64>,
    pub first: i64,
    pub next: i64,
}

impl Progress {
    /// Messages that it has not acknowledged.
    pub fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.next - committed.max(self.first)).max(0))
    }
}

/// Asks a cluster about its groups. Its calls block.
pub struct Groups {
    access: Access,
    consumer: BaseConsumer,
    cluster: Cluster,
    patience: Duration,
}

impl Groups {
    /// # Errors
    /// When no broker answers within `patience`.
    pub fn connect(access: &Access, patience: Duration) -> Result<Self> {
        let consumer = client(access, "sosstack-reader")?;
        let cluster = known_cluster(consumer.client(), access, patience)?;
        unknown_names(&cluster, access)?;
        Ok(Self { access: access.clone(), consumer, cluster, patience })
    }

    /// Asks every broker about topics that the first one has not heard of.
    pub fn learn(&mut self, topics: &[String]) {
        views::add_missing(&mut self.cluster, &self.access, topics.iter().map(String::as_str));
    }

    /// All groups of consumers by name; those of the readiness probe and of other systems left out.
    ///
    /// # Errors
    /// When a coordinator does not answer.
    pub fn list(&self) -> Result<Vec<Group>> {
        let list = self.consumer.fetch_group_list(None, self.patience).context("asking for consumer groups")?;
        let is_shown = |group: &&rdkafka::groups::GroupInfo| {
            !group.name().starts_with("__") && ["consumer", ""].contains(&group.protocol_type())
        };
        let mut groups: Vec<Group> = list.groups().iter().filter(is_shown).map(group).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// How far a group is, in every partition where it has committed something or a member reads.
    ///
    /// # Errors
    /// When its coordinator does not answer.
    pub fn progress(&self, group: &Group) -> Result<Vec<Progress>> {
        let all = self.partitions(|_| true);
        let committed = self.committed(&group.name, &all)?;
        let is_read = |topic: &str, partition: i32| {
            group.members.iter().any(|member| member.partitions.get(topic).is_some_and(|ids| ids.contains(&partition)))
        };
        let known = all.into_iter().zip(committed);
        let known = known.filter(|((topic, partition), offset)| offset.is_some() || is_read(topic, *partition));
        known.map(|((topic, partition), offset)| self.one(topic, partition, offset)).collect()
    }

    /// How far a group is in each partition of some topics, also where it has committed nothing.
    ///
    /// # Errors
    /// When its coordinator does not answer.
    pub fn progress_in(&self, group: &str, topics: &[String]) -> Result<Vec<Progress>> {
        let all = self.partitions(|name| topics.iter().any(|topic| topic == name));
        let committed = self.committed(group, &all)?;
        all.into_iter().zip(committed).map(|((topic, id), offset)| self.one(topic, id, offset)).collect()
    }

    /// The offsets that a place means in partitions.
    ///
    /// # Errors
    /// When a leader does not answer.
    pub fn resolve(&self, place: From, progress: &[Progress]) -> Result<Vec<i64>> {
        let at = |progress: &Progress| {
            Ok(match place {
                From::Beginning => progress.first,
                From::Now => progress.next,
                From::Offset(offset) => offset.clamp(progress.first, progress.next),
                From::Time(time) => self.at_time(progress, time)?.unwrap_or(progress.next),
            })
        };
        progress.iter().map(at).collect()
    }

    /// Commits offsets for a group without members.
    ///
    /// # Errors
    /// When the coordinator refuses, as it does while the group has members.
    pub fn commit(&self, group: &str, offsets: &[(String, i32, i64)]) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).context("naming an offset")?;
        }
        let consumer = client(&self.access, group)?;
        consumer.commit(&list, CommitMode::Sync).with_context(|| format!("committing offsets of group {group}"))
    }

    /// Prepares to ask one group again and again.
    ///
    /// # Errors
    /// When the client library refuses the settings.
    pub fn follow(&self, group: &str) -> Result<Follow> {
        Ok(Follow { name: group.to_owned(), consumer: client(&self.access, group)? })
    }

    /// Which cluster it is.
    pub fn about(&self) -> &About {
        &self.access.about
    }

    /// The cluster's topics, for suggestions.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn partitions(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, i32)> {
        let topics = self.cluster.topics.iter().filter(|topic| !topic.name.starts_with("__") && is_wanted(&topic.name));
        topics.flat_map(|topic| topic.partitions.iter().map(|one| (topic.name.clone(), one.id))).collect()
    }

    fn committed(&self, group: &str, partitions: &[(String, i32)]) -> Result<Vec<Option<i64>>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let asking = || format!("asking how far group {group} is");
        let found = client(&self.access, group)?.committed_offsets(list, self.patience).with_context(asking)?;
        Ok(partitions.iter().map(|(topic, partition)| offset_in(&found, topic, *partition)).collect())
    }

    fn one(&self, topic: String, partition: i32, committed: Option<i64>) -> Result<Progress> {
        let asking = || format!("reading the offsets of {topic}[{partition}]");
        let bounds = self.consumer.fetch_watermarks(&topic, partition, self.patience).with_context(asking)?;
        Ok(Progress { topic, partition, committed, first: bounds.0, next: bounds.1 })
    }

    fn at_time(&self, progress: &Progress, time: i64) -> Result<Option<i64>> {
        let mut list = TopicPartitionList::new();
        let (topic, partition) = (progress.topic.as_str(), progress.partition);
        list.add_partition_offset(topic, partition, Offset::Offset(time)).context("naming a time")?;
        let found = self.consumer.offsets_for_times(list, self.patience).context("looking up a time")?;
        Ok(offset_in(&found, topic, partition))
    }
}

/// One group, asked over an open connection of its own so that answers come at once. Its calls block.
pub struct Follow {
    name: String,
    consumer: BaseConsumer,
}

impl Follow {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next offset that it will read of a partition; None where it has committed nothing.
    ///
    /// # Errors
    /// When its coordinator does not answer.
    pub fn committed(&self, topic: &str, partition: i32, patience: Duration) -> Result<Option<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let asking = || format!("asking how far group {} is", self.name);
        let found = self.consumer.committed_offsets(list, patience).with_context(asking)?;
        Ok(offset_in(&found, topic, partition))
    }
}

fn offset_in(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn client(access: &Access, group: &str) -> Result<BaseConsumer> {
    let mut config = access.config();
    config.set("group.id", group).set("enable.auto.commit", "false");
    config.create().context("preparing the client")
}

fn group(info: &rdkafka::groups::GroupInfo) -> Group {
    let member = |member: &rdkafka::groups::GroupMemberInfo| Member {
        client_id: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
        partitions: member.assignment().and_then(assignment).unwrap_or_default(),
    };
    Group {
        name: info.name().to_owned(),
        state: info.state().to_owned(),
        members: info.members().iter().map(member).collect(),
    }
}

/// Kafka's own encoding of what a member was given; None when it is another system's.
fn assignment(bytes: &[u8]) -> Option<BTreeMap<String, Vec<i32>>> {
    let mut rest = bytes.get(2..)?;
    let mut topics = BTreeMap::new();
    for _ in 0..int(&mut rest)? {
        let (length, after) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (name, after) = after.split_at_checked(length)?;
        rest = after;
        let ids: Option<Vec<i32>> = (0..int(&mut rest)?).map(|_| int(&mut rest)).collect();
        topics.insert(str::from_utf8(name).ok()?.to_owned(), ids?);
    }
    Some(topics)
}

fn int(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, after) = rest.split_at_checked(4)?;
    *rest = after;
    Some(i32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::assignment;

    #[test]
    fn an_assignment_is_read() {
        let bytes = [&[0, 1, 0, 0, 0, 1, 0, 3][..], b"a.b", &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0]].concat();
        let topics = assignment(&bytes).unwrap();
        assert_eq!(topics["a.b"], [0, 5]);
        assert_eq!(assignment(&bytes[..12]), None);
        assert_eq!(assignment(&[]), None);
    }
}
