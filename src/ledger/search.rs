//! Looking in Kafka for the messages of a ledger.
//!
//! A message is known by its event id: a header that names it, or the field `eventId` of the value where none does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::verdict::{Case, Record};
use crate::event::{Event, Outcome, Report, Step, Waiting};
use crate::kafka::access::Access;
use crate::kafka::admin::{Admin, TopicState};
use crate::kafka::consume;
use crate::kafka::plan::{Ears, Plan};
use crate::message::View;
use crate::place::{From, Until};
use crate::stream::{Gate, PATIENCE, Tell, Told};

/// Headers that name the id which a device gave its message: bridges keep it as it came, or beside one of their own.
const HEADERS: [&[u8]; 2] = [b"event-id", b"device-event-id"];
/// By how much the clocks of devices and brokers may differ, in milliseconds.
const MARGIN: i64 = 60_000;
/// Between two looks at how far the reader is.
const LOOK: Duration = Duration::from_millis(100);
/// Partitions of which nothing comes for so long are at their end, whatever offsets they say that they have.
const QUIET: Duration = Duration::from_secs(2);

/// What is looked for, and how patiently.
pub struct Search<'a> {
    pub access: &'a Access,
    /// The beginning of the ledger, in milliseconds since 1970.
    pub started: i64,
    /// Kafka's id of the cluster that the ledger was written for.
    pub cluster: Option<&'a str>,
    /// How long to wait for messages that are missing, after the last one that was found.
    pub timeout: Duration,
}

struct Heard {
    case: Case,
    /// The next offset of each partition of which something came, by topic.
    next: HashMap<String, HashMap<i32, i64>>,
    /// When anything came, and when a message of the ledger was found.
    came: Instant,
    found: Instant,
    notices: Vec<String>,
}

impl Heard {
    fn advance(&mut self, topic: &str, partition: i32, next: i64) {
        if !self.next.contains_key(topic) {
            self.next.insert(topic.to_owned(), HashMap::new());
        }
        if let Some(partitions) = self.next.get_mut(topic) {
            partitions.insert(partition, next);
        }
    }
}

/// The next offset of a partition.
struct End {
    topic: String,
    partition: i32,
    next: i64,
}

/// Reads from the ledger's beginning until all that was acknowledged is found, and the partitions are read to their
/// ends; else until nothing of it came for a while.
///
/// # Errors
/// When Kafka cannot be read, or is another cluster than the ledger's.
pub async fn search(search: &Search<'_>, case: Case, report: Report<'_>) -> Result<Case> {
    let admin = Admin::with(search.access)?;
    let known = admin.known_cluster(&[], PATIENCE).await?;
    if let (Some(written), Some(here)) = (search.cluster, admin.cluster_id(PATIENCE).await)
        && written != here
    {
        bail!("the ledger is from Kafka cluster {written}, but this is {here}");
    }
    let names = case.topics();
    let topics: Vec<TopicState> = names.iter().filter_map(|name| known.topic(name)).cloned().collect();
    let now = Instant::now();
    let heard = Heard { case, next: HashMap::new(), came: now, found: now, notices: Vec::new() };
    let heard = Arc::new(Mutex::new(heard));
    let stop = CancellationToken::new();
    let (mut ended, _) = consume::read(search.access, plan(search, &names), ears(&heard), stop.clone()).await?;
    report(Event::StepStarted { step: Step::SearchKafka });
    let read = tokio::select! {
        end = &mut ended => end.context("the Kafka reader ended early")?,
        read = until_read(search, &admin, &topics, &heard, report) => read,
    };
    stop.cancel();
    // The reader's thread hears it within a moment; what it tells meanwhile is not waited for.
    let case = std::mem::take(&mut lock(&heard).case);
    report(match &read {
        Ok(()) => Event::StepFinished {
            step: Step::SearchKafka,
            outcome: Outcome::Read { topics: names },
            took: now.elapsed(),
        },
        Err(_) => Event::StepFailed { step: Step::SearchKafka },
    });
    read.map(|()| case)
}

fn plan(search: &Search<'_>, names: &[&str]) -> Plan {
    let topics = names.iter().map(|name| (*name).to_owned()).collect();
    Plan { from: From::Time((search.started - MARGIN).max(0)), until: Until::Never, ..Plan::all_of(topics) }
}

fn ears(heard: &Arc<Mutex<Heard>>) -> Ears {
    let heard = Arc::clone(heard);
    let tell: Tell = Arc::new(move |told| {
        match told {
            Told::Message(message) => hear(&mut lock(&heard), message),
            Told::Notice(words) => lock(&heard).notices.push(words),
            Told::Idle => {}
        }
        ControlFlow::Continue(())
    });
    Ears { wanted: Arc::new(|_| true), tell, gate: Gate::new(false), away: Arc::default() }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(heard: &mut Heard, message: &View<'_>) {
    heard.came = Instant::now();
    let (Some(partition), Some(offset)) = (message.partition, message.offset) else { return };
    heard.advance(&message.topic, partition, offset + 1);
    let mut hear =
        |event_id: &[u8]| heard.case.hear(Record { topic: &message.topic, partition, time: message.time, event_id });
    let named = message.headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_ref()));
    let known = named.filter_map(|(_, id)| *id).find_map(&mut hear);
    let known = known.or_else(|| hear(in_value(message.value?)?.as_bytes()));
    if known == Some(true) {
        heard.found = Instant::now();
    }
}

/// The event id that a payload holds.
fn in_value(value: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(rename = "eventId", borrow)]
        event_id: Cow<'a, str>,
    }
    Some(serde_json::from_slice::<Payload<'_>>(value).ok()?.event_id)
}

async fn until_read(
    search: &Search<'_>,
    admin: &Admin,
    topics: &[TopicState],
    heard: &Mutex<Heard>,
    report: Report<'_>,
) -> Result<()> {
    loop {
        let was_complete = lock(heard).case.missing() == 0;
        let ends = ends(admin, topics).await?;
        while !is_read_to(&ends, heard) {
            tokio::time::sleep(LOOK).await;
            tell(heard, report);
        }
        let (missing, quiet) = {
            let heard = lock(heard);
            (heard.case.missing(), heard.found.elapsed())
        };
        if was_complete || (missing > 0 && quiet >= search.timeout) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
        tell(heard, report);
    }
}

fn tell(heard: &Mutex<Heard>, report: Report<'_>) {
    let (missing, notices) = {
        let mut heard = lock(heard);
        (heard.case.missing(), std::mem::take(&mut heard.notices))
    };
    for words in notices {
        report(Event::Warning(words));
    }
    report(Event::StepWaits { step: Step::SearchKafka, on: Waiting::Missing { messages: missing } });
}

async fn ends(admin: &Admin, topics: &[TopicState]) -> Result<Vec<End>> {
    let mut ends = Vec::new();
    for topic in topics {
        let marks = admin.watermarks(topic, PATIENCE).await?;
        let of = |(partition, (_, next)): (i32, (i64, i64))| End { topic: topic.name.clone(), partition, next };
        ends.extend(topic.partitions.iter().map(|partition| partition.id).zip(marks).map(of));
    }
    Ok(ends)
}

/// Markers of transactions have offsets that no message has, and of what is older than the ledger nothing comes: then
/// it is silence that says so.
fn is_read_to(ends: &[End], heard: &Mutex<Heard>) -> bool {
    let heard = lock(heard);
    let next = |end: &End| heard.next.get(&end.topic)?.get(&end.partition).copied();
    let is_read = |end: &End| end.next == 0 || next(end).is_some_and(|next| next >= end.next);
    heard.came.elapsed() >= QUIET || ends.iter().all(is_read)
}
