//! What becomes of one message: decided at receipt, by the routes and owners of that moment.

mod dead_letter;
mod emergency;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;

use super::event_id::{EventId, Kind, of_glance};
use super::glance::Glance;
use super::headers::{Header, Headers};
use super::jq::Program;
use super::jq::helper::Helper;
use super::owners::Owners;
use super::record::{Lane, Received, Record};
use super::routes::filter::Parts;
use super::routes::template::Names;
use super::routes::{Route, Routes};
use crate::message::json::{is_json, write_string};

/// What Kafka adds to a record's own bytes, and each header's, at most.
const RECORD_OVERHEAD: usize = 128;
const HEADER_OVERHEAD: usize = 12;
/// Of a reason, in bytes: jq's words may hold all of what it was given.
const LONGEST_REASON: usize = 512;
/// A message waits for its route's expression as long as so many messages may take at the most.
const TURNS: u32 = 20;

/// Bounds of what comes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a record with key and headers that Kafka takes.
    pub record: usize,
    /// How long jq may take.
    pub mapping: Duration,
    /// This very program, which evaluates jq in a process of its own.
    pub program: PathBuf,
}

impl Default for Limits {
    /// Kafka's own default for the size, with room for what a batch adds.
    fn default() -> Self {
        Self { record: 1_000_000, mapping: Duration::from_millis(100), program: Helper::own_program() }
    }
}

/// What becomes of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Tells whether another receipt is of the same message.
    pub event_id: EventId,
    /// The number of the route among [`Routes::all`]; None where none fits.
    pub route: Option<usize>,
    pub fate: Fate,
    /// The main one first; none where the message is ignored. Each is for a topic of its own.
    pub records: Vec<Record>,
}

/// What was decided about a message when it was received.
#[derive(Debug, Clone)]
pub struct At {
    pub owners: Arc<Owners>,
    /// What [`Mapper::event_id`] gave, now or at an earlier receipt of the same packet; None where it is not known yet.
    pub event_id: Option<EventId>,
    /// Without, a route's expression is as one that fails: the message has waited for it for too long.
    pub may_use_jq: bool,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// As the route says.
    Routed,
    /// An emergency about which something is not known; a copy of the message is with the dead letters.
    Incomplete(String),
    /// It could not be mapped, and is with the dead letters alone.
    DeadLetter(String),
    /// Nothing comes of it.
    Ignored(Ignored),
}

/// Why nothing comes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ignored {
    NoRoute,
    /// The server's copy from before the subscription.
    Retained,
}

impl Ignored {
    /// In words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "no route fits its topic",
            Self::Retained => "it is a retained copy, of which the route takes none",
        }
    }
}

/// Maps messages. Routes stay as they are; owners may change while it works.
pub struct Mapper {
    routes: Routes,
    owners: RwLock<Arc<Owners>>,
    limits: Limits,
    headers: Headers,
    names: Extra,
    /// By a route's number; each in a process of its own, so that none waits for another.
    expressions: Vec<Option<Mutex<Helper>>>,
}

/// Names of headers that only some records have.
struct Extra {
    route: Arc<str>,
    /// The Kafka topic that refused the record.
    topic: Arc<str>,
    reason: Arc<str>,
    original: Arc<str>,
    size: Arc<str>,
    digest: Arc<str>,
}

/// One message on its way through a route.
struct Passing<'a> {
    received: &'a Received,
    route: &'a Route,
    /// The route's number.
    number: usize,
    parts: Parts<'a>,
    owner: Option<Arc<str>>,
    event_id: EventId,
    glance: Glance<'a>,
    may_use_jq: bool,
}

impl Mapper {
    pub fn new(routes: Routes, owners: Owners, limits: Limits) -> Self {
        let helper = |route: &Route| {
            let program = Program::new(route.value.as_ref()?, route.filter.parts());
            let mut helper = Helper::new(limits.program.clone(), program, limits.mapping, limits.record);
            helper.start();
            Some(Mutex::new(helper))
        };
        let expressions = routes.all().iter().map(helper).collect();
        let names = Extra {
            route: "route".into(),
            topic: "topic".into(),
            reason: "reason".into(),
            original: "original".into(),
            size: "original-size".into(),
            digest: "original-sha256".into(),
        };
        let owners = RwLock::new(Arc::new(owners));
        Self { routes, owners, limits, headers: Headers::new(), names, expressions }
    }

    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// From now on devices belong to these.
    pub fn set_owners(&self, owners: Owners) {
        *self.owners.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(owners);
    }

    /// To whom devices belong just now.
    pub fn owners(&self) -> Arc<Owners> {
        Arc::clone(&self.owners.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of the route that takes a topic, where it has an expression, which may take long.
    pub fn expression(&self, topic: &str) -> Option<&Arc<str>> {
        let (number, route, _) = self.routes.find(topic)?;
        self.expressions[number].is_some().then_some(&route.name)
    }

    /// How long a message may wait for the expression of its route; see [`At::may_use_jq`].
    pub fn patience(&self) -> Duration {
        self.limits.mapping * TURNS
    }

    /// The id of a message that is received for the first time. Emergencies whose id is fresh have to be remembered with
    /// their packet before [`Mapper::map`] is called, which then gives the same records whenever the packet comes again.
    pub fn event_id(&self, received: &Received) -> EventId {
        of_glance(received, self.kind(received), &Glance::of(&received.payload))
    }

    fn kind(&self, received: &Received) -> Kind {
        let is_emergency = self.routes.find(&received.topic).is_some_and(|(_, route, _)| route.emergency);
        if is_emergency { Kind::Emergency } else { Kind::Other }
    }

    /// What becomes of a message. Blocks where its route has an expression that takes long, at most for the deadline, and
    /// for ten of them where the expression's process has to start.
    pub fn map(&self, received: &Received, at: &At) -> Mapped {
        let glance = Glance::of(&received.payload);
        let found = self.routes.find(&received.topic);
        let kind =
            if found.as_ref().is_some_and(|(_, route, _)| route.emergency) { Kind::Emergency } else { Kind::Other };
        let event_id = at.event_id.unwrap_or_else(|| of_glance(received, kind, &glance));
        let mapped = |route, fate, records| Mapped { event_id, route, fate, records };
        let Some((number, route, parts)) = found else {
            return mapped(None, Fate::Ignored(Ignored::NoRoute), Vec::new());
        };
        if received.retained && !route.retained {
            return mapped(Some(number), Fate::Ignored(Ignored::Retained), Vec::new());
        }
        let (owner, may_use_jq) = (owner(route, &parts, &at.owners), at.may_use_jq);
        let passing = Passing { received, route, number, parts, owner, event_id, glance, may_use_jq };
        let (fate, records) = if route.emergency { self.emergency(&passing) } else { self.record(&passing) };
        mapped(Some(number), fate, records)
    }

    /// What becomes of a message that is received for the first time, just now.
    pub fn take(&self, received: &Received) -> Mapped {
        self.map(received, &At { owners: self.owners(), event_id: None, may_use_jq: true })
    }

    /// What becomes of a message that is not an emergency.
    fn record(&self, passing: &Passing<'_>) -> (Fate, Vec<Record>) {
        let made = self.try_record(passing);
        match made {
            Ok(record) => (Fate::Routed, vec![record]),
            Err(reason) => {
                let reason = bounded(&reason);
                let letter = self.dead_letter(passing, &reason);
                (Fate::DeadLetter(reason), vec![letter])
            }
        }
    }

    fn try_record(&self, passing: &Passing<'_>) -> Result<Record, String> {
        let Passing { received, route, .. } = passing;
        let value = match &self.expressions[passing.number] {
            None => received.payload.clone(),
            Some(jq) => Bytes::from(self.evaluate(jq, passing)?),
        };
        let names = Names { parts: &passing.parts, owner: passing.owner.as_deref(), emergency: None };
        let key = key(passing, &names)?;
        let headers = self.route_headers(passing, &names, 0)?;
        let record = Record {
            lane: route.lane,
            topic: Arc::clone(&route.topic),
            key,
            headers,
            value: Some(value),
            time: received.at,
        };
        let size = size(&record);
        if size > self.limits.record {
            return Err(format!("it makes {size} bytes, and Kafka takes {} in one record", self.limits.record));
        }
        Ok(record)
    }

    /// The bridge's headers and the route's own.
    fn route_headers(&self, passing: &Passing<'_>, names: &Names<'_>, room: usize) -> Result<Vec<Header>, String> {
        let own = &passing.route.headers;
        let mut headers = self.common_headers(passing, own.len() + room);
        for (name, template) in own {
            let mut text = Vec::new();
            template.write(names, &mut text).map_err(|problem| format!("header {name}: {problem}"))?;
            headers.push((Arc::clone(name), Some(Bytes::from(text))));
        }
        Ok(headers)
    }

    fn common_headers(&self, passing: &Passing<'_>, room: usize) -> Vec<Header> {
        let most = self.limits.record / 4;
        self.headers.of(passing.received, passing.event_id.id(), &passing.glance, most, room)
    }

    /// What an expression makes of a payload: JSON.
    fn evaluate(&self, jq: &Mutex<Helper>, passing: &Passing<'_>) -> Result<Vec<u8>, String> {
        if !passing.may_use_jq {
            return Err("jq: it is slower than messages come".to_owned());
        }
        let variables = self.variables(passing);
        let value = jq.lock().unwrap_or_else(PoisonError::into_inner).value(&variables, &passing.received.payload);
        let value = value.map_err(|problem| format!("jq: {problem}"))?;
        // jq has values that JSON has not.
        let valid = str::from_utf8(&value).is_ok_and(is_json);
        valid.then_some(value).ok_or_else(|| "jq: what it gives is not JSON".to_owned())
    }

    /// The values of an expression's variables, in their order.
    fn variables(&self, passing: &Passing<'_>) -> Vec<u8> {
        let mut array = Vec::with_capacity(128);
        array.push(b'[');
        for index in 0..passing.route.filter.parts().len() {
            write_string(passing.parts.get(index), &mut array);
            array.push(b',');
        }
        match &passing.owner {
            Some(owner) => write_string(owner, &mut array),
            None => array.extend_from_slice(b"null"),
        }
        array.push(b',');
        write_string(&passing.received.topic, &mut array);
        array.extend_from_slice(b",\"");
        self.headers.time(passing.received.at, &mut array);
        array.extend_from_slice(b"\"]");
        array
    }
}

fn owner(route: &Route, parts: &Parts<'_>, owners: &Owners) -> Option<Arc<str>> {
    if let Some(user) = route.user {
        return Some(Arc::from(parts.get(user))).filter(|user: &Arc<str>| !user.is_empty());
    }
    owners.of(parts.get(route.device?)).cloned()
}

fn key(passing: &Passing<'_>, names: &Names<'_>) -> Result<Bytes, String> {
    let mut key = Vec::new();
    passing.route.key.write(names, &mut key).map_err(|problem| format!("it has no key: {problem}"))?;
    Ok(Bytes::from(key))
}

/// What a record takes in Kafka, at most, in bytes.
fn size(record: &Record) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Bytes::len) + RECORD_OVERHEAD + size_of_headers(&record.headers)
}

fn size_of_headers(headers: &[Header]) -> usize {
    let one = |(name, value): &Header| name.len() + value.as_ref().map_or(0, Bytes::len) + HEADER_OVERHEAD;
    headers.iter().map(one).sum()
}

/// A reason that fits a header and a line.
fn bounded(reason: &str) -> String {
    let line = reason.replace(char::is_control, " ");
    match line.char_indices().find(|(index, c)| index + c.len_utf8() > LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
