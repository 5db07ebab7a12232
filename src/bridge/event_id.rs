//! Event ids, which tell a consumer whether it has had an event before.
//!
//! An id is a UUID. What a payload or a device's clock tells of a message gives the same id whenever the message comes again;
//! where neither tells anything, each receipt is an event of its own: two presses whose payload is `{}` are two.
//!
//! Of a press the clock is not asked: it may stand still, and then the second press would pass for the first one come again.
//! Whoever receives presses remembers the packet's id instead, before anything else is done with it.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

use super::glance::Glance;
use super::record::Received;

/// The id of one event, and whether another receipt of the same message has it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventId {
    /// From the message itself: each receipt of it gives the same.
    Stable(Id),
    /// Of this receipt alone; whoever can recognise the same packet remembers it.
    Fresh(Id),
}

/// A UUID: of version 8 (RFC 9562) where it is a hash, of version 4 where it is random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 16]);

/// A text that is not 36 characters of a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a UUID")]
pub struct NotAnId;

/// How messages of a kind are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A press or a trigger: by the payload's `eventId` alone.
    Emergency,
    /// By the payload's `eventId`, else by topic, payload and the device's time where its clock may be right.
    Other,
}

/// The id of a message; a fresh one where nothing tells it apart. Ids of different topics never meet.
pub fn event_id(received: &Received, kind: Kind) -> EventId {
    of_glance(received, kind, &Glance::of(&received.payload))
}

pub(super) fn of_glance(received: &Received, kind: Kind, glance: &Glance<'_>) -> EventId {
    let topic = received.topic.as_bytes();
    if let Some(id) = &glance.event_id {
        return EventId::Stable(Id::hash(&[b"event", topic, id.as_bytes()]));
    }
    match glance.plausible_time(received.at).filter(|_| kind == Kind::Other) {
        Some(time) => EventId::Stable(Id::hash(&[b"message", topic, &received.payload, &time.to_be_bytes()])),
        None => EventId::Fresh(Id::random()),
    }
}

impl EventId {
    pub fn id(self) -> Id {
        match self {
            Self::Stable(id) | Self::Fresh(id) => id,
        }
    }

    pub fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(_))
    }
}

impl Id {
    /// The same parts give the same id, whatever their lengths.
    fn hash(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&context.finish().as_ref()[..16]);
        Self::versioned(bytes, 8)
    }

    /// One that nothing else has.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
        Self::versioned(bytes, 4)
    }

    fn versioned(mut bytes: [u8; 16], version: u8) -> Self {
        bytes[6] = (bytes[6] & 0x0F) | (version << 4);
        bytes[8] = (bytes[8] & 0x3F) | 0x80;
        Self(bytes)
    }

    /// As a journal keeps it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The emergency that this event opens: one for each event.
    #[must_use]
    pub fn emergency(&self) -> Self {
        Self::hash(&[b"emergency", &self.0])
    }

    /// Appends its 36 characters.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut rest = &self.0[..];
        for length in [4, 2, 2, 2, 6] {
            let (group, after) = rest.split_at(length);
            push_hex(group, out);
            if !after.is_empty() {
                out.push(b'-');
            }
            rest = after;
        }
    }
}

/// Appends two hexadecimal digits for each byte.
pub(super) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut digits = text.bytes().filter(|byte| *byte != b'-');
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let mut digit = || char::from(digits.next()?).to_digit(16);
            let (high, low) = (digit().ok_or(NotAnId)?, digit().ok_or(NotAnId)?);
            *byte = u8::try_from(high << 4 | low).map_err(|_| NotAnId)?;
        }
        if digits.next().is_none() && text.len() == 36 { Ok(Self(bytes)) } else { Err(NotAnId) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(36);
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const AT: i64 = 1_795_536_000_000;

    fn received(topic: &str, payload: &str, at: i64) -> Received {
        Received {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            qos: 2,
            retained: false,
            duplicate: false,
            at,
            properties: Vec::new(),
        }
    }

    fn id(topic: &str, payload: &str) -> EventId {
        event_id(&received(topic, payload, AT), Kind::Other)
    }

    #[test]
    fn a_payloads_own_id_counts_and_is_its_topics() {
        let first = id("panic/d-1/press", r#"{"eventId":"e-1","n":1}"#);
        assert!(!first.is_fresh());
        assert_eq!(first, id("panic/d-1/press", r#"{"n":2,"eventId":"e-1"}"#), "whatever else stands there");
        assert_eq!(
            first,
            event_id(&received("panic/d-1/press", r#"{"eventId":"e-1"}"#, 0), Kind::Emergency),
            "whenever it comes"
        );
        assert_ne!(first, id("panic/d-2/press", r#"{"eventId":"e-1"}"#), "another device may count from 1 as well");
        assert_ne!(first, id("panic/d-1/press", r#"{"eventId":"e-2"}"#));
    }

    #[test]
    fn a_press_is_one_of_its_own_even_where_the_devices_clock_stands_still() {
        let payload = format!(r#"{{"timestamp":{}}}"#, AT / 1000);
        let press = received("panic/d-1/press", &payload, AT);
        let (one, other) = (event_id(&press, Kind::Emergency), event_id(&press, Kind::Emergency));
        assert!(one.is_fresh() && other.is_fresh() && one != other);
    }

    #[test]
    fn a_devices_time_makes_a_message_recognisable_where_its_clock_may_be_right() {
        let payload = format!(r#"{{"timestamp":{}}}"#, AT / 1000);
        let first = id("panic/d-1/press", &payload);
        assert!(!first.is_fresh());
        assert_eq!(first, event_id(&received("panic/d-1/press", &payload, AT + 60_000), Kind::Other), "received again");
        assert_ne!(first, id("panic/d-2/press", &payload));
        assert_ne!(first, id("panic/d-1/press", &payload.replace('}', " }")));
        for wrong in [r#"{"timestamp":0}"#, r#"{"timestamp":1}"#, r#"{"timestamp":4000000000}"#, "{}", "", "nonsense"] {
            let (one, other) = (id("panic/d-1/press", wrong), id("panic/d-1/press", wrong));
            assert!(one.is_fresh() && one != other, "{wrong}");
        }
    }

    #[test]
    fn ids_are_uuids_of_their_kind() {
        let hashed = id("a", r#"{"eventId":"e-1"}"#).id().to_string();
        // Consumers keep ids: a later version must make the same ones.
        assert_eq!(hashed, "1881bdbc-d8ac-89a3-a8d8-41e51fe697eb");
        assert_eq!((hashed.len(), hashed.as_bytes()[14]), (36, b'8'));
        let random = id("a", "{}").id();
        assert_eq!(random.to_string().as_bytes()[14], b'4');
        assert!("89ab".contains(random.to_string().chars().nth(19).unwrap()));
        assert_eq!(Id::from_bytes(*random.as_bytes()), random);
        assert_eq!(random.to_string().parse(), Ok(random));
        for other in ["", "nonsense", &random.to_string()[1..], &format!("{random}0")] {
            assert_eq!(other.parse::<Id>(), Err(NotAnId), "{other}");
        }
        assert_eq!(random.emergency(), random.emergency());
        assert_ne!(random.emergency(), random);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Id::hash(&[b"ab", b"c"]), Id::hash(&[b"a", b"bc"]));
    }
}
