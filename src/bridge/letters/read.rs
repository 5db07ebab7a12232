//! Reading dead letters out of Kafka: what there is now, to its end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;

use super::choice::{Choice, Wish};
use super::id::LetterId;
use super::letter::Letter;
use crate::about::About;
use crate::bridge::routes::Routes;
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::kafka::access::Access;
use crate::kafka::admin::Admin;
use crate::kafka::blocking::blocking;
use crate::kafka::plan::{Ears, Plan};
use crate::kafka::{consume, unknown_topic};
use crate::message::View;
use crate::place::{From, Until};
use crate::stream::{Gate, PATIENCE, Tell, Told, Wanted};

/// Receives the records one at a time; an error ends the reading.
pub(super) type Take = Box<dyn FnMut(&View<'_>) -> Result<()> + Send>;

/// Where dead letters are read from.
pub struct Source<'a> {
    pub access: &'a Access,
    /// By these the letters' devices are known.
    pub routes: &'a Arc<Routes>,
    pub report: Report<'a>,
}

/// Takes the chosen dead letters in the order of their time; each is given to `take`, whose error ends the reading.
///
/// # Errors
/// [`Failure::Failed`] where there is no such letter or topic; others when Kafka cannot be read to the end, or of `take`.
pub async fn letters(
    source: &Source<'_>,
    choice: &Choice,
    take: impl FnMut(Letter) -> Result<()> + Send + 'static,
) -> Result<()> {
    match choice {
        Choice::Those(wish) => those(source, wish, take).await,
        Choice::These(ids) => these(source, ids, take).await,
    }
}

async fn those(
    source: &Source<'_>,
    wish: &Wish,
    mut take: impl FnMut(Letter) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (wish, routes) = (wish.clone(), Arc::clone(source.routes));
    let plan = Plan {
        from: wish.from,
        merged: true,
        last: wish.last,
        ..Plan::all_of(vec![source.routes.dead_letters().to_string()])
    };
    let wanted: Wanted = Arc::new(move |view| Letter::of(view).is_some_and(|letter| wish.wants(&letter, &routes)));
    read(source.access, plan, wanted, Box::new(move |view| Letter::of(view).map_or(Ok(()), &mut take)), source.report)
        .await
}

async fn these(
    source: &Source<'_>,
    ids: &[LetterId],
    mut take: impl FnMut(Letter) -> Result<()> + Send + 'static,
) -> Result<()> {
    let topic = source.routes.dead_letters();
    ensure_there(source.access, topic, ids).await?;
    let mut by_partition: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for id in ids {
        by_partition.entry(id.partition).or_default().push(id.offset);
    }
    let found = Arc::new(Mutex::new(Vec::new()));
    for (partition, offsets) in by_partition {
        let bounds = offsets.iter().min().zip(offsets.iter().max());
        let Some((first, last)) = bounds else { continue };
        let plan = Plan {
            partition: Some(partition),
            from: From::Offset(*first),
            until: Until::Offset(last + 1),
            ..Plan::all_of(vec![topic.to_string()])
        };
        let wanted: Wanted = Arc::new(move |view| view.offset.is_some_and(|offset| offsets.contains(&offset)));
        let into = Arc::clone(&found);
        let keep: Take = Box::new(move |view| {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend(Letter::of(view));
            Ok(())
        });
        read(source.access, plan, wanted, keep, source.report).await?;
    }
    let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(id) = ids.iter().find(|id| found.iter().all(|letter| letter.id != **id)) {
        return Err(not_there(&source.access.about, format!("there is no dead letter {id}: nothing is kept there")));
    }
    found.sort_by_key(|letter| (letter.message.time, letter.id));
    // Whoever takes them may ask jq.
    blocking(move |_| found.into_iter().try_for_each(&mut take)).await
}

/// Refuses letters that are deleted already, or are not written yet: nobody waits for them.
async fn ensure_there(access: &Access, topic: &str, ids: &[LetterId]) -> Result<()> {
    let admin = Admin::with(access)?;
    let cluster = admin.known_cluster(&[topic.to_owned()], PATIENCE).await?;
    let names = || cluster.topics.iter().map(|topic| topic.name.as_str());
    let state = cluster.topic(topic).ok_or_else(|| unknown_topic(&access.about, topic, names()))?;
    let marks = admin.watermarks(state, PATIENCE).await?;
    let marks: BTreeMap<i32, (i64, i64)> = state.partitions.iter().map(|one| one.id).zip(marks).collect();
    match ids.iter().find_map(|id| missing(*id, topic, &marks)) {
        Some(cause) => Err(not_there(&access.about, cause)),
        None => Ok(()),
    }
}

/// Why a letter is not there, by the first and the next offset of each partition.
fn missing(id: LetterId, topic: &str, marks: &BTreeMap<i32, (i64, i64)>) -> Option<String> {
    let LetterId { partition, offset } = id;
    match marks.get(&partition) {
        None => Some(format!("there is no dead letter {id}: {topic} has no partition {partition}")),
        Some((first, _)) if offset < *first => {
            Some(format!("dead letter {id} has been deleted: partition {partition} begins at offset {first} now"))
        }
        Some((_, 0)) => Some(format!("there is no dead letter {id}: partition {partition} is empty")),
        Some((_, next)) if offset >= *next => {
            Some(format!("there is no dead letter {id} yet: partition {partition} ends before offset {next}"))
        }
        Some(_) => None,
    }
}

fn not_there(about: &About, cause: String) -> anyhow::Error {
    let remedy = about.remedy("bridge dlq list").then(" lists them");
    Failure::Failed { cause, remedy }.into()
}

/// Reads to the end. Dropping it ends the reader.
pub(super) async fn read(access: &Access, plan: Plan, wanted: Wanted, take: Take, report: Report<'_>) -> Result<()> {
    let stop = CancellationToken::new();
    let _stopping = stop.clone().drop_guard();
    let heard = Arc::new(Mutex::new(Heard { take, failed: None, notices: Vec::new() }));
    // The past by time is told to its end, and then there is nothing to wait for.
    let (into, ends_when_idle) = (Arc::clone(&heard), plan.merged);
    let tell: Tell = Arc::new(move |told| {
        let mut heard = into.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Told::Message(view) => heard.take(view),
            Told::Notice(words) => {
                heard.notices.push(words);
                ControlFlow::Continue(())
            }
            Told::Idle if ends_when_idle => ControlFlow::Break(()),
            Told::Idle => ControlFlow::Continue(()),
        }
    });
    let ears = Ears { wanted, tell, gate: Gate::new(false), away: Arc::default() };
    let (ended, _) = consume::read(access, plan, ears, stop).await?;
    let ended = ended.await.context("the Kafka reader ended early")?;
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    for words in heard.notices.drain(..) {
        report(Event::Warning(words));
    }
    heard.failed.take().map_or(ended, Err)
}

struct Heard {
    take: Take,
    failed: Option<anyhow::Error>,
    notices: Vec<String>,
}

impl Heard {
    fn take(&mut self, view: &View<'_>) -> ControlFlow<()> {
        self.failed = (self.take)(view).err();
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_letter_is_not_there_is_said() {
        let marks = BTreeMap::from([(0, (12, 20)), (1, (0, 0))]);
        let words = |id: &str| missing(id.parse().unwrap(), "dlq", &marks);
        assert_eq!((words("0:12"), words("0:19")), (None, None));
        assert!(words("0:11").unwrap().ends_with("has been deleted: partition 0 begins at offset 12 now"));
        assert!(words("0:20").unwrap().ends_with("yet: partition 0 ends before offset 20"));
        assert!(words("1:0").unwrap().ends_with("there is no dead letter 1:0: partition 1 is empty"));
        assert!(words("7:0").unwrap().ends_with("dlq has no partition 7"));
    }
}
