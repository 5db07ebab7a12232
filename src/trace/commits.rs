//! Groups that read a topic, and when each of them has committed a record of it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Found;
use crate::kafka::access::Access;
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Follow, Group, Groups, Progress};

/// Between two questions: what a commit's time may be late by.
const PAUSE: Duration = Duration::from_millis(10);
/// The least that a coordinator is given for an answer.
const LEAST: Duration = Duration::from_millis(200);
/// The most.
const MOST: Duration = Duration::from_secs(3);

/// What became of a record in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub group: String,
    /// When it was found to be committed; None: it is not.
    pub at: Option<Instant>,
    /// Messages of the record's partition that it has not committed, where that is known.
    pub lag: Option<i64>,
}

/// Connections to the groups that are waited for.
pub(super) struct Watchers {
    groups: Groups,
    watched: Vec<Follow>,
    /// Groups that read the topic without a commit.
    pub(super) uncommitted: Vec<String>,
}

/// Finds the groups that have members and a commit on a topic.
///
/// # Errors
/// When a coordinator does not answer.
pub(super) async fn prepare(access: &Access, topic: &str, patience: Duration) -> Result<Watchers> {
    let (access, topics) = (access.clone(), [topic.to_owned()]);
    blocking(move |abandoned| {
        let mut groups = Groups::connect(&access, patience)?;
        groups.learn(&topics);
        let (mut watched, mut uncommitted) = (Vec::new(), Vec::new());
        let listed = groups.list()?;
        for group in listed.iter().take_while(|_| !abandoned.is_cancelled()) {
            if may_read(group, &topics[0]) {
                let progress = groups.progress_in(&group.name, &topics)?;
                if progress.iter().any(|one| one.committed.is_some()) {
                    watched.push(groups.follow(&group.name)?);
                } else if reads(group, &topics[0]) {
                    uncommitted.push(group.name.clone());
                }
            }
        }
        Ok(Watchers { groups, watched, uncommitted })
    })
    .await
}

/// Whether a member was given partitions of the topic.
fn reads(group: &Group, topic: &str) -> bool {
    group.members.iter().any(|member| member.partitions.contains_key(topic))
}

/// As [`reads`], or it is not known yet: the group is rebalancing, or its assignment is in a format that is not Kafka's.
fn may_read(group: &Group, topic: &str) -> bool {
    let told_nothing = group.members.iter().all(|member| member.partitions.is_empty());
    !group.members.is_empty() && (told_nothing || reads(group, topic))
}

impl Watchers {
    /// Until all groups have committed the record, or the deadline.
    ///
    /// # Errors
    /// When there is no thread to ask from.
    pub(super) async fn wait(self, record: Found, deadline: Instant) -> Result<Vec<Commit>> {
        blocking(move |abandoned| {
            let Self { groups, watched, .. } = self;
            let of = |group: &Follow| Commit { group: group.name().to_owned(), at: None, lag: None };
            let mut commits: Vec<Commit> = watched.iter().map(of).collect();
            loop {
                for (group, commit) in watched.iter().zip(&mut commits).filter(|(_, commit)| commit.at.is_none()) {
                    let left = deadline.saturating_duration_since(Instant::now()).clamp(LEAST, MOST);
                    // One that does not answer now may the next time.
                    let committed = group.committed(&record.topic, record.partition, left).ok().flatten();
                    commit.at = committed.is_some_and(|next| next > record.offset).then(Instant::now);
                }
                let is_over = Instant::now() >= deadline || abandoned.is_cancelled();
                if is_over || commits.iter().all(|commit| commit.at.is_some()) {
                    break;
                }
                std::thread::sleep(PAUSE);
            }
            for commit in commits.iter_mut().filter(|commit| commit.at.is_none() && !abandoned.is_cancelled()) {
                let topics = [record.topic.clone()];
                let progress = groups.progress_in(&commit.group, &topics).unwrap_or_default();
                let own = progress.iter().find(|one| one.partition == record.partition);
                commit.lag = own.and_then(Progress::lag);
            }
            Ok(commits)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::groups::Member;

    fn group(members: &[&[&str]]) -> Group {
        let member = |topics: &&[&str]| Member {
            client_id: String::new(),
            host: String::new(),
            partitions: topics.iter().map(|topic| ((*topic).to_owned(), vec![0])).collect(),
        };
        Group { name: "g".to_owned(), state: String::new(), members: members.iter().map(member).collect() }
    }

    #[test]
    fn who_reads_other_topics_is_not_waited_for() {
        assert!(may_read(&group(&[&["a"], &["b"]]), "a"));
        assert!(!may_read(&group(&[&["b"]]), "a"));
        assert!(!may_read(&group(&[]), "a"), "nobody is there");
        let dealing = group(&[&[]]);
        assert!(may_read(&dealing, "a") && !reads(&dealing, "a"));
    }
}
