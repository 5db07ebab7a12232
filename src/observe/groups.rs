//! Consumer groups and how far they are: what `group list` and `group describe` show.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::about::{About, Remedy};
use crate::failure::Failure;
use crate::kafka::access::Access;
use crate::kafka::blocking::blocking;
use crate::kafka::groups::{Group, Groups, Progress};
use crate::similar::similar;

/// One group; `sosstack group describe --output json`, and one element of `group list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Description {
    pub group: String,
    /// The coordinator's word: `Stable`, `Empty`, …
    pub state: String,
    /// Messages that it has not acknowledged.
    pub lag: i64,
    pub members: Vec<Member>,
    pub partitions: Vec<Partition>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Member {
    pub client_id: String,
    pub host: String,
    /// What it was given, by topic.
    pub partitions: BTreeMap<String, Vec<i32>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Partition {
    pub topic: String,
    pub partition: i32,
    /// The next offset that it will read; None where it has committed nothing.
    pub committed: Option<i64>,
    pub next_offset: i64,
    pub lag: Option<i64>,
}

impl Description {
    pub fn of(group: &Group, progress: &[Progress]) -> Self {
        let member = |member: &crate::kafka::groups::Member| Member {
            client_id: member.client_id.clone(),
            host: member.host.clone(),
            partitions: member.partitions.clone(),
        };
        let partition = |one: &Progress| Partition {
            topic: one.topic.clone(),
            partition: one.partition,
            committed: one.committed,
            next_offset: one.next,
            lag: one.lag(),
        };
        Self {
            group: group.name.clone(),
            state: group.state.clone(),
            lag: progress.iter().filter_map(Progress::lag).sum(),
            members: group.members.iter().map(member).collect(),
            partitions: progress.iter().map(partition).collect(),
        }
    }

    /// Who reads a partition.
    pub fn reader_of(&self, partition: &Partition) -> Option<&Member> {
        let reads = |member: &&Member| {
            member.partitions.get(&partition.topic).is_some_and(|ids| ids.contains(&partition.partition))
        };
        self.members.iter().find(reads)
    }
}

/// A group and how far it is in each partition that it reads.
pub type Known = (Group, Vec<Progress>);

/// Asks for all groups; each question may take as long as `patience`.
///
/// # Errors
/// When a coordinator does not answer.
pub async fn ask(access: Access, patience: Duration) -> Result<(Groups, Vec<Known>)> {
    blocking(move |abandoned| {
        let groups = Groups::connect(&access, patience)?;
        let of = |group: Group| groups.progress(&group).map(|progress| (group, progress));
        let wanted = groups.list()?.into_iter().take_while(|_| !abandoned.is_cancelled());
        let known = wanted.map(of).collect::<Result<_>>()?;
        Ok((groups, known))
    })
    .await
}

/// The group of a name.
///
/// # Errors
/// [`Failure::Failed`], with the name that was probably meant.
pub fn find<'a>(about: &About, known: &'a [Known], name: &str) -> Result<&'a Known, Failure> {
    if let Some(found) = known.iter().find(|(group, _)| group.name == name) {
        return Ok(found);
    }
    let meant = similar(name, known.iter().map(|(group, _)| group.name.as_str()));
    let hint = meant.map(|name| format!("did you mean {name}? ")).unwrap_or_default();
    Err(Failure::Failed {
        cause: format!("there is no consumer group {name:?}"),
        remedy: Remedy::words(format!("{hint}{} shows all", about.command("group list"))),
    })
}
