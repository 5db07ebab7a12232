//! A dead letter, as its record tells.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;

use super::id::LetterId;
use crate::bridge::event_id::Id;
use crate::bridge::headers::PROPERTY;
use crate::bridge::record::Received;
use crate::message::{Message, View};

/// On a record that was replayed: the dead letter that it comes of.
pub const REPLAYED_FROM: &str = "replayed-from";
/// On a record that was replayed: how often that has happened to its event.
pub const REPLAY_ATTEMPTS: &str = "replay-attempts";

/// A record of the dead letters' topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub id: LetterId,
    pub message: Message,
}

/// What a dead letter's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// What the device sent, which could not be mapped.
    Message,
    /// What its route made of it, for this Kafka topic, which refused it. The first so many headers are the record's own.
    Record { topic: &'a str, headers: usize },
    /// Nobody knows: the bridge's headers are missing.
    Foreign,
}

/// Of bytes that were more than Kafka takes: only their beginning was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes there were; None where the header does not say.
    pub size: Option<u64>,
    pub sha256: Option<String>,
}

impl Letter {
    /// None for a message that is not a record.
    pub fn of(view: &View<'_>) -> Option<Self> {
        let id = LetterId { partition: view.partition?, offset: view.offset? };
        Some(Self { id, message: view.to_message() })
    }

    /// The value of the last header of this name.
    fn header(&self, wanted: &str) -> Option<&[u8]> {
        self.message.headers.iter().rev().find(|(name, _)| name == wanted.as_bytes())?.1.as_deref()
    }

    /// As text, for people.
    fn words(&self, wanted: &str) -> Option<Cow<'_, str>> {
        self.header(wanted).map(String::from_utf8_lossy)
    }

    /// As text that is exact.
    fn text(&self, wanted: &str) -> Option<&str> {
        str::from_utf8(self.header(wanted)?).ok()
    }

    pub fn mqtt_topic(&self) -> Option<&str> {
        self.text("mqtt.topic")
    }

    pub fn route(&self) -> Option<Cow<'_, str>> {
        self.words("route")
    }

    pub fn reason(&self) -> Option<Cow<'_, str>> {
        self.words("reason")
    }

    pub fn event_id(&self) -> Option<Id> {
        self.text("event-id")?.parse().ok()
    }

    /// How often its event was replayed before it came here.
    pub fn attempts(&self) -> u32 {
        self.text(REPLAY_ATTEMPTS).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// When the bridge received it, in milliseconds since 1970.
    pub fn received_at(&self) -> i64 {
        let time = self.text("received-at").and_then(|text| text.parse::<Timestamp>().ok());
        time.map_or(self.message.time, Timestamp::as_millisecond)
    }

    pub fn origin(&self) -> Origin<'_> {
        if self.mqtt_topic().is_none() || self.event_id().is_none() {
            return Origin::Foreign;
        }
        let headers = &self.message.headers;
        let refused = headers.iter().rposition(|(name, _)| name == b"topic");
        // A dead letter that was refused here itself is still one.
        let refused = refused.filter(|index| headers[*index].1.as_deref() != Some(self.message.topic.as_bytes()));
        match refused.and_then(|index| Some((index, str::from_utf8(headers[index].1.as_deref()?).ok()?))) {
            Some((headers, topic)) => Origin::Record { topic, headers },
            None if self.header("route").is_some() => Origin::Message,
            None => Origin::Foreign,
        }
    }

    /// Whether its value is only the beginning of what it should be.
    pub fn cut(&self) -> Option<Cut> {
        let about_value = match self.origin() {
            Origin::Record { headers, .. } => &self.message.headers[headers..],
            Origin::Message | Origin::Foreign => &self.message.headers[..],
        };
        let find = |wanted: &str| {
            let found = about_value.iter().rev().find(|(name, _)| name == wanted.as_bytes())?;
            Some(String::from_utf8_lossy(found.1.as_deref().unwrap_or_default()).into_owned())
        };
        let size = find("original-size")?;
        Some(Cut { size: size.parse().ok(), sha256: find("original-sha256") })
    }

    /// The message as it was received, where the letter has its topic.
    pub fn received(&self) -> Option<Received> {
        let flag = |name: &str| self.header(name) == Some(b"true");
        Some(Received {
            topic: self.mqtt_topic()?.to_owned(),
            payload: self.message.value.clone().map(Bytes::from).unwrap_or_default(),
            qos: self.text("mqtt.qos").and_then(|text| text.parse().ok()).filter(|qos| *qos <= 2).unwrap_or_default(),
            retained: flag("mqtt.retain"),
            duplicate: flag("mqtt.dup"),
            at: self.received_at(),
            properties: self.properties(),
        })
    }

    /// The publisher's user properties; the trace is one of them, so that it goes on.
    fn properties(&self) -> Vec<(String, String)> {
        let property = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
            let name = str::from_utf8(name).ok()?;
            let is_trace = name == "traceparent" || name == "tracestate";
            let name = if is_trace { name } else { name.strip_prefix(PROPERTY)? };
            Some((name.to_owned(), String::from_utf8(value.clone()?).ok()?))
        };
        self.message.headers.iter().filter_map(property).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::message::Broker;

    pub(crate) const EVENT: &str = "1881bdbc-d8ac-89a3-a8d8-41e51fe697eb";
    pub(crate) use crate::stack::topic::DEAD_LETTERS as TOPIC;

    /// A letter of that value with the headers that every one of the bridge has, and these.
    pub(crate) fn letter(mqtt_topic: &str, value: &[u8], more: &[(&str, &str)]) -> Letter {
        let common = [
            ("event-id", EVENT),
            ("mqtt.topic", mqtt_topic),
            ("mqtt.qos", "1"),
            ("mqtt.retain", "false"),
            ("mqtt.dup", "true"),
            ("received-at", "2026-11-24T16:00:00.123Z"),
        ];
        foreign(value, &[&common, more].concat())
    }

    pub(crate) fn foreign(value: &[u8], headers: &[(&str, &str)]) -> Letter {
        let header = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        let message = Message {
            broker: Broker::Kafka,
            topic: TOPIC.to_owned(),
            partition: Some(2),
            offset: Some(15),
            qos: None,
            retained: None,
            key: Some(b"d-1".to_vec()),
            headers: headers.iter().map(header).collect(),
            properties: None,
            time: 1_795_536_000_123,
            value: Some(value.to_vec()),
        };
        Letter::of(&message.view()).unwrap()
    }

    #[test]
    fn a_message_comes_back_as_it_was_received() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let more = [("traceparent", parent), ("mqtt.user.source", "a"), ("route", "alert"), ("reason", "jq: no")];
        let letter = letter("device/d-1/alert", &[0, 255], &more);
        assert_eq!((letter.origin(), letter.cut(), letter.attempts()), (Origin::Message, None, 0));
        assert_eq!((letter.id.to_string().as_str(), letter.reason().as_deref()), ("2:15", Some("jq: no")));
        assert_eq!(letter.event_id().unwrap().to_string(), EVENT);
        let expected = Received {
            topic: "device/d-1/alert".to_owned(),
            payload: Bytes::from_static(&[0, 255]),
            qos: 1,
            retained: false,
            duplicate: true,
            at: 1_795_536_000_123,
            properties: [("traceparent", parent), ("source", "a")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec(),
        };
        assert_eq!(letter.received(), Some(expected));
    }

    #[test]
    fn what_a_value_is_stands_in_the_headers() {
        let of = |more: &[(&str, &str)]| letter("device/d/alert", b"x", more);
        let refused = of(&[("reason", "it is empty"), ("topic", "device.alerts"), ("reason", "it is larger")]);
        assert_eq!(refused.origin(), Origin::Record { topic: "device.alerts", headers: 7 });
        assert_eq!(refused.reason().as_deref(), Some("it is larger"), "why it is here");
        let again = of(&[("route", "alert"), ("reason", "jq"), ("topic", TOPIC), ("reason", "it is larger")]);
        assert_eq!(again.origin(), Origin::Message, "a dead letter that its topic refused at first");
        assert_eq!(of(&[("reason", "a service's own")]).origin(), Origin::Foreign);
        assert_eq!(foreign(b"x", &[("topic", "a"), ("route", "b")]).origin(), Origin::Foreign);
        assert_eq!(
            foreign(b"x", &[("mqtt.topic", "a/b"), ("event-id", "7"), ("route", "b")]).origin(),
            Origin::Foreign
        );
    }

    #[test]
    fn only_what_is_said_of_the_value_cuts_it() {
        let digest = [("original-size", "10000"), ("original-sha256", "e4ee")];
        let cut = Some(Cut { size: Some(10_000), sha256: Some("e4ee".to_owned()) });
        let of = |more: &[(&str, &str)]| letter("panic/p/press", b"x", more).cut();
        assert_eq!(of(&[&[("route", "press")], &digest[..]].concat()), cut);
        assert_eq!(of(&[&[("topic", "emergency.created")], &digest[..]].concat()), cut);
        let of_the_emergency = [&digest[..], &[("original", "x"), ("topic", "emergency.created")]].concat();
        assert_eq!(of(&of_the_emergency), None, "the emergency itself is whole");
    }
}
