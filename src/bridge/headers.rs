//! The headers that every record has: where it came from, when, and the id that tells whether it came before.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::event_id::{Id, push_hex};
use super::glance::Glance;
use super::record::Received;
use crate::message::Clock;

/// A header as a record has it.
pub(super) type Header = (Arc<str>, Option<Bytes>);

/// Before the name of a user property: a device chooses it, and shall not set a header that means something to services.
pub(super) const PROPERTY: &str = "mqtt.user.";
/// What names begin with, and names, that are the bridge's own.
const OWN_PREFIX: &str = "mqtt.";
const OWN: [&str; 14] = [
    "event-id",
    "received-at",
    "device-event-id",
    "device-time",
    "traceparent",
    "tracestate",
    "route",
    "topic",
    "reason",
    "original",
    "original-size",
    "original-sha256",
    "replayed-from",
    "replay-attempts",
];

/// Whether a header's name is one that the bridge sets itself.
pub(super) fn is_own(name: &str) -> bool {
    name.starts_with(OWN_PREFIX) || OWN.contains(&name)
}

/// Makes headers; names are made once, not for each record.
pub(super) struct Headers {
    event_id: Arc<str>,
    topic: Arc<str>,
    qos: Arc<str>,
    retain: Arc<str>,
    duplicate: Arc<str>,
    received_at: Arc<str>,
    device_event_id: Arc<str>,
    device_time: Arc<str>,
    traceparent: Arc<str>,
    clock: Mutex<Clock>,
}

impl Headers {
    pub(super) fn new() -> Self {
        Self {
            event_id: "event-id".into(),
            topic: "mqtt.topic".into(),
            qos: "mqtt.qos".into(),
            retain: "mqtt.retain".into(),
            duplicate: "mqtt.dup".into(),
            received_at: "received-at".into(),
            device_event_id: "device-event-id".into(),
            device_time: "device-time".into(),
            traceparent: "traceparent".into(),
            clock: Mutex::new(Clock::utc()),
        }
    }

    /// RFC 3339, in milliseconds.
    pub(super) fn time(&self, millis: i64, out: &mut Vec<u8>) {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).write(millis, out);
    }

    /// Headers of one message, with `room` for more. User properties larger than `most` bytes together are left out,
    /// and their number is told instead.
    pub(super) fn of(&self, received: &Received, id: Id, glance: &Glance<'_>, most: usize, room: usize) -> Vec<Header> {
        // All in one piece of memory, of which each header is a part.
        let mut text = Vec::with_capacity(received.topic.len() + 192);
        let mut ends = [0; 6];
        text.extend_from_slice(received.topic.as_bytes());
        ends[0] = text.len();
        id.write(&mut text);
        ends[1] = text.len();
        self.time(received.at, &mut text);
        ends[2] = text.len();
        let (parent, state) = trace_context(received);
        match parent {
            Some(parent) => text.extend_from_slice(parent.as_bytes()),
            None => write_traceparent(id, &mut text),
        }
        ends[3] = text.len();
        text.extend_from_slice(glance.time.as_deref().unwrap_or_default().as_bytes());
        ends[4] = text.len();
        text.extend_from_slice(glance.event_id.as_deref().unwrap_or_default().as_bytes());
        ends[5] = text.len();
        let text = Bytes::from(text);
        let part = |index: usize| {
            let start = if index == 0 { 0 } else { ends[index - 1] };
            Some(text.slice(start..ends[index]))
        };
        let flag = |set: bool| Some(Bytes::from_static(if set { b"true" } else { b"false" }));
        let qos: &[u8] = match received.qos {
            0 => b"0",
            1 => b"1",
            _ => b"2",
        };
        let mut headers = Vec::with_capacity(10 + room + received.properties.len());
        headers.push((Arc::clone(&self.event_id), part(1)));
        headers.push((Arc::clone(&self.topic), part(0)));
        headers.push((Arc::clone(&self.qos), Some(Bytes::from_static(qos))));
        headers.push((Arc::clone(&self.retain), flag(received.retained)));
        headers.push((Arc::clone(&self.duplicate), flag(received.duplicate)));
        headers.push((Arc::clone(&self.received_at), part(2)));
        if glance.event_id.is_some() {
            headers.push((Arc::clone(&self.device_event_id), part(5)));
        }
        if glance.time.is_some() {
            headers.push((Arc::clone(&self.device_time), part(4)));
        }
        headers.push((Arc::clone(&self.traceparent), part(3)));
        if !received.properties.is_empty() {
            properties(received, state.filter(|_| parent.is_some()), most, &mut headers);
        }
        headers
    }
}

/// The publisher's user properties. What they say of the trace is the trace's own header.
fn properties(received: &Received, state: Option<&str>, most: usize, headers: &mut Vec<Header>) {
    let bytes = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    let size: usize = received.properties.iter().map(|(name, value)| PROPERTY.len() + name.len() + value.len()).sum();
    if size > most {
        headers.push(("mqtt.user-omitted".into(), bytes(&received.properties.len().to_string())));
        return;
    }
    if let Some(state) = state {
        headers.push(("tracestate".into(), bytes(state)));
    }
    let others = received.properties.iter().filter(|(name, _)| name != "traceparent" && name != "tracestate");
    headers.extend(others.map(|(name, value)| (Arc::from(format!("{PROPERTY}{name}")), bytes(value))));
}

/// The publisher's trace context (W3C): the parent where it is valid, and the state.
fn trace_context(received: &Received) -> (Option<&str>, Option<&str>) {
    let named =
        |wanted: &str| received.properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    (
        named("traceparent").filter(|parent| is_traceparent(parent)),
        named("tracestate").filter(|state| state.len() <= 512),
    )
}

/// `00-TRACE-PARENT-FLAGS`
fn is_traceparent(text: &str) -> bool {
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let mut fields = text.split('-');
    let mut next = || fields.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    let well_formed =
        is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    // Later versions may add fields; the first has four.
    well_formed && is_set(trace) && is_set(parent) && (version != "00" || fields.next().is_none()) && text.len() <= 256
}

/// A trace that begins with this event: whoever receives the message again sees the same one.
fn write_traceparent(id: Id, out: &mut Vec<u8>) {
    let bytes = id.as_bytes();
    out.extend_from_slice(b"00-");
    push_hex(bytes, out);
    out.push(b'-');
    // The half that holds the variant's bit, so that it is never all zeros.
    push_hex(&bytes[8..], out);
    out.extend_from_slice(b"-01");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::event_id::{Kind, event_id};

    fn received(properties: &[(&str, &str)]) -> Received {
        Received {
            topic: "device/d-1/alert".to_owned(),
            payload: Bytes::from_static(br#"{"eventId":"e-1","timestamp":"2026-11-24T15:59:59Z"}"#),
            qos: 1,
            retained: false,
            duplicate: true,
            at: 1_795_536_000_123,
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn headers(received: &Received, most: usize) -> Vec<(String, String)> {
        let id = event_id(received, Kind::Other).id();
        let made = Headers::new().of(received, id, &Glance::of(&received.payload), most, 0);
        let text = |bytes: Option<Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        made.into_iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn value(headers: &[(String, String)], wanted: &str) -> Option<String> {
        headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_record_says_where_it_comes_from() {
        let message = received(&[]);
        let id = event_id(&message, Kind::Other).id().to_string();
        let made = headers(&message, 1000);
        let hex = id.replace('-', "");
        let traceparent = format!("00-{hex}-{}-01", &hex[16..]);
        let expected = [
            ("event-id", id.as_str()),
            ("mqtt.topic", "device/d-1/alert"),
            ("mqtt.qos", "1"),
            ("mqtt.retain", "false"),
            ("mqtt.dup", "true"),
            ("received-at", "2026-11-24T16:00:00.123Z"),
            ("device-event-id", "e-1"),
            ("device-time", "2026-11-24T15:59:59Z"),
            ("traceparent", traceparent.as_str()),
        ];
        assert_eq!(made, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(is_traceparent(&traceparent));
        assert!(made.iter().all(|(name, _)| is_own(name)));
    }

    #[test]
    fn user_properties_set_none_of_the_bridges_headers() {
        let made = headers(&received(&[("event-id", "forged"), ("source", "a"), ("source", "b")]), 1000);
        assert_ne!(value(&made, "event-id").unwrap(), "forged");
        let carried: Vec<_> = made.iter().filter(|(name, _)| name.starts_with("mqtt.user.")).cloned().collect();
        let expected = [("mqtt.user.event-id", "forged"), ("mqtt.user.source", "a"), ("mqtt.user.source", "b")];
        assert_eq!(carried, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let made = headers(&received(&[("a", "x"), ("b", &"x".repeat(1000))]), 1000);
        assert_eq!(value(&made, "mqtt.user-omitted").as_deref(), Some("2"));
        assert_eq!(value(&made, "mqtt.user.a"), None);
    }

    #[test]
    fn a_publishers_trace_goes_on() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let made = headers(&received(&[("traceparent", parent), ("tracestate", "vendor=1")]), 1000);
        assert_eq!(value(&made, "traceparent").as_deref(), Some(parent));
        assert_eq!(value(&made, "tracestate").as_deref(), Some("vendor=1"));
        assert_eq!(value(&made, "mqtt.user.traceparent"), None);
        for broken in [
            "",
            "nonsense",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            let made = headers(&received(&[("traceparent", broken), ("tracestate", "vendor=1")]), 1000);
            assert!(is_traceparent(&value(&made, "traceparent").unwrap()), "{broken}");
            assert_ne!(value(&made, "traceparent").as_deref(), Some(broken));
            assert_eq!(value(&made, "tracestate"), None, "a state without its trace");
        }
    }
}
