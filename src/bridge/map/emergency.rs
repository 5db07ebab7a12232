//! A press or a trigger always becomes an emergency, whatever stands in it and whatever a route's expression does.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Fate, HEADER_OVERHEAD, Mapper, Passing, RECORD_OVERHEAD, Record, bounded, key, size_of_headers};
use crate::bridge::routes::template::Names;
use crate::message::json::write_string;

/// The type of an emergency of which nothing is known.
const UNKNOWN: &str = "UNKNOWN";
/// The longest type and device id, in bytes: anything longer is something else.
const LONGEST: usize = 64;

/// What is known of an emergency beside its id and its time.
#[derive(Debug, Default)]
struct Known {
    kind: Option<String>,
    /// As the device wrote them, to the last digit.
    position: Option<(Value, Value)>,
    user: Option<Arc<str>>,
    device: Option<String>,
}

impl Mapper {
    pub(super) fn emergency(&self, passing: &Passing<'_>) -> (Fate, Vec<Record>) {
        let mut problems: Vec<String> = Vec::new();
        let id = passing.event_id.id().emergency().to_string();
        let payload = read(&passing.received.payload, &mut problems);
        let mut known = known(passing, payload.as_ref());
        let mut more = Map::new();
        // Where there is no object, there is nothing that an expression could add.
        if let (Some(jq), Some(_)) = (&self.expressions[passing.number], &payload) {
            match self.evaluate(jq, passing).and_then(|value| object(&value)) {
                Ok(object) => lay_over(&mut known, &mut more, object, &mut problems),
                Err(problem) => problems.push(problem),
            }
        }
        if payload.is_some() && known.position.is_none() {
            problems.push("it has no position".to_owned());
        }
        if known.user.is_none() {
            problems.push(match passing.route.device {
                Some(device) => format!("device {:?} has no owner", passing.parts.get(device)),
                None => "it names no user".to_owned(),
            });
        }
        let mut value = self.value(passing, &id, &known, &more);
        if value.len() > self.limits.record / 2 {
            problems.push("jq: what it adds is too large".to_owned());
            value = self.value(passing, &id, &known, &Map::new());
        }
        self.emergency_records(passing, &id, value, problems)
    }

    /// The emergency, and a copy of the message with the dead letters where something is wrong with it.
    fn emergency_records(
        &self,
        passing: &Passing<'_>,
        id: &str,
        value: Vec<u8>,
        mut problems: Vec<String>,
    ) -> (Fate, Vec<Record>) {
        let names = Names { parts: &passing.parts, owner: passing.owner.as_deref(), emergency: Some(id) };
        let key = key(passing, &names).unwrap_or_else(|problem| {
            problems.push(problem);
            Bytes::copy_from_slice(id.as_bytes())
        });
        let mut headers = self.route_headers(passing, &names, 4).unwrap_or_else(|problem| {
            problems.push(problem);
            self.common_headers(passing, 4)
        });
        let mut record = Record {
            lane: passing.route.lane,
            topic: Arc::clone(&passing.route.topic),
            key,
            headers: Vec::new(),
            value: Some(Bytes::from(value)),
            time: passing.received.at,
        };
        if problems.is_empty() {
            record.headers = headers;
            return (Fate::Routed, vec![record]);
        }
        let reason = bounded(&problems.join("; "));
        headers.push((Arc::clone(&self.names.reason), Some(Bytes::copy_from_slice(reason.as_bytes()))));
        let value = record.value.as_ref().map_or(0, Bytes::len);
        let taken = record.key.len() + value + RECORD_OVERHEAD + size_of_headers(&headers) + HEADER_OVERHEAD;
        let original = self.original(passing, taken + self.names.original.len(), &mut headers);
        headers.push((Arc::clone(&self.names.original), Some(original)));
        record.headers = headers;
        let letter = self.dead_letter(passing, &reason);
        (Fate::Incomplete(reason), vec![record, letter])
    }

    /// The emergency's JSON: its own fields first, then what an expression added.
    fn value(&self, passing: &Passing<'_>, id: &str, known: &Known, more: &Map<String, Value>) -> Vec<u8> {
        let mut json = Vec::with_capacity(320);
        let text = |name: &str, value: Option<&str>, json: &mut Vec<u8>| {
            json.extend_from_slice(if json.is_empty() { b"{\"" } else { b",\"" });
            json.extend_from_slice(name.as_bytes());
            json.extend_from_slice(b"\":");
            match value {
                Some(value) => write_string(value, json),
                None => json.extend_from_slice(b"null"),
            }
        };
        text("emergencyId", Some(id), &mut json);
        text("userId", known.user.as_deref(), &mut json);
        text("type", Some(known.kind.as_deref().unwrap_or(UNKNOWN)), &mut json);
        let (latitude, longitude) = known.position.as_ref().map_or((&Value::Null, &Value::Null), |(a, b)| (a, b));
        json.extend_from_slice(format!(",\"latitude\":{latitude},\"longitude\":{longitude}").as_bytes());
        let mut time = Vec::with_capacity(24);
        let at = passing.glance.plausible_time(passing.received.at).unwrap_or(passing.received.at);
        self.headers.time(at, &mut time);
        text("timestamp", str::from_utf8(&time).ok(), &mut json);
        text("deviceId", known.device.as_deref(), &mut json);
        for (name, value) in more {
            json.push(b',');
            write_string(name, &mut json);
            json.extend_from_slice(format!(":{value}").as_bytes());
        }
        json.push(b'}');
        json
    }
}

/// The payload's members, where it has some.
fn read(payload: &[u8], problems: &mut Vec<String>) -> Option<Map<String, Value>> {
    if payload.is_empty() {
        problems.push("it is empty".to_owned());
        return None;
    }
    match serde_json::from_slice(payload) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) => {
            problems.push("it is JSON, but not an object".to_owned());
            None
        }
        Err(error) => {
            problems.push(format!("it is not JSON: {error}"));
            None
        }
    }
}

fn object(value: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(value) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("jq: what it gives is not an object".to_owned()),
        Err(error) => Err(format!("jq: what it gives cannot be read: {error}")),
    }
}

/// What the topic, the owners and the payload tell.
fn known(passing: &Passing<'_>, payload: Option<&Map<String, Value>>) -> Known {
    let of_topic = passing.route.device.map(|device| passing.parts.get(device));
    let field = |name: &str| payload.and_then(|members| members.get(name));
    let device = of_topic.or_else(|| short(field("deviceId")?)).filter(|device| !device.is_empty());
    let around = |members: &Map<String, Value>| position(members.get("latitude")?, members.get("longitude")?);
    let inner = || around(field("location")?.as_object()?);
    Known {
        kind: field("type").and_then(short).map(str::to_owned),
        position: payload.and_then(around).or_else(inner),
        user: passing.owner.clone(),
        device: device.map(str::to_owned),
    }
}

/// What an expression says over what is known already. It chooses neither the id nor the time.
fn lay_over(known: &mut Known, more: &mut Map<String, Value>, object: Map<String, Value>, problems: &mut Vec<String>) {
    let (mut latitude, mut longitude) = (None, None);
    for (name, value) in object {
        match name.as_str() {
            "emergencyId" | "timestamp" => {}
            "type" => match short(&value) {
                Some(kind) => known.kind = Some(kind.to_owned()),
                None => problems.push("jq: the type it gives is not a short text".to_owned()),
            },
            "userId" => known.user = short(&value).map(Arc::from).or(known.user.take()),
            "deviceId" => known.device = short(&value).map(str::to_owned).or(known.device.take()),
            "latitude" => latitude = Some(value),
            "longitude" => longitude = Some(value),
            _ => drop(more.insert(name, value)),
        }
    }
    if let (Some(latitude), Some(longitude)) = (latitude, longitude) {
        known.position = position(&latitude, &longitude).or(known.position.take());
    }
}

/// A place on earth.
fn position(latitude: &Value, longitude: &Value) -> Option<(Value, Value)> {
    let within = |value: &Value, most: f64| value.as_f64().is_some_and(|degrees| degrees.abs() <= most);
    (within(latitude, 90.0) && within(longitude, 180.0)).then(|| (latitude.clone(), longitude.clone()))
}

fn short(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| (1..=LONGEST).contains(&text.len()))
}
