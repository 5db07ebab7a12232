//! Searching Kafka for an event that happened. MQTT keeps no past: what is known of Mosquitto's part is in the records' headers.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::record::{Found, mentions};
use super::told::Standing;
use crate::about::{About, Remedy};
use crate::address::Address;
use crate::failure::Failure;
use crate::kafka::access::Access;
use crate::kafka::admin::Admin;
use crate::observe::groups;
use crate::place::{From, Until};
use crate::reading::{Reading, Watch};
use crate::stream::{PATIENCE, Tell, Told, Wanted};

/// What services say of an emergency after it was created.
pub const LATER: [&str; 2] = ["emergency.updated", "emergency.resolved"];
/// By how much the clocks of whoever writes records may differ, in milliseconds.
const MARGIN: i64 = 60_000;

/// What came of a search.
#[derive(Debug, Default)]
pub struct Past {
    pub records: Vec<Found>,
    /// The topics that there are, of those that were to be read.
    pub topics: Vec<String>,
    /// How many messages were looked at.
    pub read: u64,
}

/// Reads some topics to their ends for records about an id. Only the first one has to exist, where it is `required`.
///
/// # Errors
/// When Kafka cannot be read, or has no such topic.
pub async fn search(access: &Access, id: &str, topics: &[&str], from: From, required: bool) -> Result<Past> {
    let wishes: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let known = Admin::with(access)?.known_cluster(&wishes, PATIENCE).await?;
    let is_read = |(at, topic): &(usize, &String)| (required && *at == 0) || known.topic(topic).is_some();
    let mut topics: Vec<String> = wishes.iter().enumerate().filter(is_read).map(|(_, topic)| topic.clone()).collect();
    topics.dedup();
    if topics.is_empty() {
        return Ok(Past::default());
    }
    let addresses: Vec<Address> = topics.iter().cloned().map(Address::Kafka).collect();
    let (found, read) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let wanted: Wanted = {
        let (id, read) = (id.to_owned(), Arc::clone(&read));
        Arc::new(move |message| {
            read.fetch_add(1, Ordering::Relaxed);
            mentions(message, &id)
        })
    };
    let tell: Tell = {
        let (id, found) = (id.to_owned(), Arc::clone(&found));
        Arc::new(move |told| {
            if let Told::Message(message) = told {
                let about = Found::of(message).filter(|found| found.is_about(&id));
                found.lock().unwrap_or_else(PoisonError::into_inner).extend(about);
            }
            ControlFlow::Continue(())
        })
    };
    let watch = Watch { from, until: Until::Now, strict: true, ..Watch::of(&addresses, Some(access), None) };
    Reading::open(&watch, &wanted, &tell).await?.finished().await?;
    let records = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Past { records, topics, read: read.load(Ordering::Relaxed) })
}

/// What services have written about an event's emergency since.
///
/// # Errors
/// When Kafka cannot be read.
pub async fn later(access: &Access, records: &[Found]) -> Result<Vec<Found>> {
    let Some(emergency) = records.iter().find_map(Found::emergency) else { return Ok(Vec::new()) };
    let oldest = records.iter().map(|found| found.time).min().unwrap_or_default();
    let from = From::Time(oldest.saturating_sub(MARGIN).max(0));
    let mut found = search(access, &emergency, &LATER, from, false).await?.records;
    found.sort_by_key(|found| found.time);
    Ok(found)
}

/// How far each group is that has committed something on the record's topic.
///
/// # Errors
/// When a coordinator does not answer.
pub async fn standings(access: &Access, record: &Found) -> Result<Vec<Standing>> {
    let (_, known) = groups::ask(access.clone(), PATIENCE).await?;
    let of = |(group, progress): &groups::Known| {
        let mut on_topic = progress.iter().filter(|one| one.topic == record.topic);
        if !on_topic.clone().any(|one| one.committed.is_some()) {
            return None;
        }
        let own = on_topic.find(|one| one.partition == record.partition);
        Some(Standing {
            group: group.name.clone(),
            has_members: !group.members.is_empty(),
            committed: own.and_then(|one| one.committed),
            lag: own.and_then(crate::kafka::groups::Progress::lag),
        })
    };
    Ok(known.iter().filter_map(of).collect())
}

/// That all records are of one event: ids that devices give may be those of several.
///
/// # Errors
/// [`Failure::Failed`] that names the events.
pub fn ensure_one_event(records: &[Found], id: &str, about: &About) -> Result<(), Failure> {
    let mut events: Vec<&str> = records.iter().filter_map(Found::event).collect();
    events.sort_unstable();
    events.dedup();
    if events.len() <= 1 {
        return Ok(());
    }
    let ways = events.iter().map(|event| about.remedy(&format!("trace {event}")));
    Err(Failure::Failed { cause: format!("{id} matches {} events", events.len()), remedy: Remedy::either(ways) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(event_id: &str, offset: i64) -> Found {
        let (topic, event_id) = ("emergency.created".to_owned(), Some(event_id.to_owned()));
        Found { topic, offset, event_id, device_event_id: Some("1".to_owned()), ..Found::default() }
    }

    #[test]
    fn an_id_of_several_events_is_not_guessed_at() {
        let about = About::stack("stack sos".to_owned(), String::new());
        assert!(ensure_one_event(&[found("a", 0), found("a", 1)], "1", &about).is_ok(), "a redelivery");
        let refused = ensure_one_event(&[found("a", 0), found("b", 1)], "1", &about).unwrap_err();
        assert_eq!(refused.to_string(), "1 matches 2 events");
        assert_eq!(refused.remedy().unwrap().as_str(), "sosstack trace a\n  or: sosstack trace b");
    }
}
