//! What Kafka has already of events that are to be replayed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::id::LetterId;
use super::letter::REPLAYED_FROM;
use super::read::{Take, read};
use crate::bridge::event_id::Id;
use crate::event::Report;
use crate::kafka::access::Access;
use crate::kafka::admin::Admin;
use crate::kafka::plan::Plan;
use crate::message::View;
use crate::place::From;
use crate::stream::{PATIENCE, Wanted};

/// Events that were found, by the topic that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    events: HashSet<(String, Id)>,
    replayed: HashSet<(LetterId, Id)>,
    /// Topics that do not exist.
    missing: HashSet<String>,
}

impl Found {
    /// Notes a record, where it tells what event it is of.
    fn add(&mut self, view: &View<'_>) {
        let Some(event) = event(view) else { return };
        self.events.insert((view.topic.to_string(), event));
        if let Some(letter) = header(view, REPLAYED_FROM).and_then(|text| text.parse().ok()) {
            self.replayed.insert((letter, event));
        }
    }

    /// Whether there is no such topic.
    pub fn lacks(&self, topic: &str) -> bool {
        self.missing.contains(topic)
    }

    /// Whether a topic has a record of this event.
    pub fn has(&self, topic: &str, event: Id) -> bool {
        self.events.contains(&(topic.to_owned(), event))
    }

    /// Whether a record was replayed from this letter. Its event has to match too: a topic that is deleted and created
    /// again gives the same offsets to other letters.
    pub fn is_replayed(&self, letter: LetterId, event: Id) -> bool {
        self.replayed.contains(&(letter, event))
    }
}

/// What is looked for, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    pub topics: Vec<String>,
    pub events: HashSet<Id>,
    /// In milliseconds since 1970; what is older cannot be of these events.
    pub since: i64,
}

/// Reads to the ends of the topics that there are.
///
/// # Errors
/// When one cannot be read to its end, or no broker answers.
pub async fn search(access: &Access, sought: Sought, report: Report<'_>) -> Result<Found> {
    let Sought { topics, events, since } = sought;
    if topics.is_empty() {
        return Ok(Found::default());
    }
    let cluster = Admin::with(access)?.known_cluster(&topics, PATIENCE).await?;
    let (topics, missing): (Vec<String>, Vec<String>) =
        topics.into_iter().partition(|topic| cluster.topic(topic).is_some());
    let missing = missing.into_iter().collect();
    if topics.is_empty() {
        return Ok(Found { missing, ..Found::default() });
    }
    let plan = Plan { from: From::Time(since.max(0)), ..Plan::all_of(topics) };
    let wanted: Wanted = Arc::new(move |view| event(view).is_some_and(|event| events.contains(&event)));
    let found = Arc::new(Mutex::new(Found::default()));
    let into = Arc::clone(&found);
    let take: Take = Box::new(move |view| {
        into.lock().unwrap_or_else(PoisonError::into_inner).add(view);
        Ok(())
    });
    read(access, plan, wanted, take, report).await?;
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Found { missing, ..found })
}

fn header<'a>(view: &View<'a>, wanted: &str) -> Option<&'a str> {
    str::from_utf8(view.header(wanted)?).ok()
}

fn event(view: &View<'_>) -> Option<Id> {
    header(view, "event-id")?.parse().ok()
}

#[cfg(test)]
impl Found {
    /// As if these records were there.
    pub(super) fn of(messages: &[crate::message::Message]) -> Self {
        let mut found = Self::default();
        for message in messages {
            found.add(&message.view());
        }
        found
    }

    /// As if this topic were gone.
    pub(super) fn without(topic: &str) -> Self {
        Self { missing: HashSet::from([topic.to_owned()]), ..Self::default() }
    }
}
