//! What the bridge itself looks for in a payload: its event's id, and the time by the device's clock.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Longer ones are not taken for an id or for a time.
const LONGEST: usize = 128;
/// How far a device's clock may be from ours, in milliseconds before and after: further away it tells nothing.
const BEFORE: i64 = 7 * 24 * 60 * 60 * 1000;
const AFTER: i64 = 5 * 60 * 1000;

/// Most payloads have neither, and need not be read at all.
static NAMES: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new("eventId"), Finder::new("timestamp")]);

/// What stands in a payload. All of it is absent where the payload is not a JSON object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Glance<'a> {
    /// `eventId`, a text or a number.
    pub(super) event_id: Option<Cow<'a, str>>,
    /// `timestamp`, as the device wrote it.
    pub(super) time: Option<Cow<'a, str>>,
}

impl<'a> Glance<'a> {
    pub(super) fn of(payload: &'a [u8]) -> Self {
        if NAMES.iter().all(|name| name.find(payload).is_none()) {
            return Self::default();
        }
        serde_json::from_slice(payload).unwrap_or_default()
    }

    /// The device's time in milliseconds since 1970, where its clock may be right at `at`.
    pub(super) fn plausible_time(&self, at: i64) -> Option<i64> {
        plausible_time(self.time.as_deref()?, at)
    }
}

/// A device's time, as it wrote it, in milliseconds since 1970; None where its clock cannot have been right at `at`.
pub fn plausible_time(text: &str, at: i64) -> Option<i64> {
    millis(text).filter(|time| (at.saturating_sub(BEFORE)..=at.saturating_add(AFTER)).contains(time))
}

/// A time as devices write it: RFC 3339, or a number that counts seconds, milliseconds or microseconds since 1970.
pub(super) fn millis(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    // In seconds, these would be the years 5138 and 3,170,843; in milliseconds, 1973 and 5138.
    let millis = match number {
        ..1e11 => number * 1000.0,
        ..1e14 => number,
        _ => number / 1000.0,
    };
    // Within what a calendar has, far below where a float is inexact.
    #[expect(clippy::cast_possible_truncation, reason = "it was just bounded")]
    (millis < 2.6e14).then_some(millis as i64)
}

impl<'de> Deserialize<'de> for Glance<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Glance<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut glance = Glance::default();
        while let Some(name) = members.next_key::<Name>()? {
            // As everywhere in JSON, the last one counts.
            match name {
                Name::EventId => glance.event_id = scalar(members.next_value()?),
                Name::Timestamp => glance.time = scalar(members.next_value()?),
                Name::Other => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(glance)
    }
}

/// A text or a number, as text; None for anything else, and for what is too long or empty.
fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    let token = value.get();
    let text = match token.as_bytes().first()? {
        b'"' => {
            let inner = &token[1..token.len() - 1];
            if inner.contains('\\') { Cow::Owned(serde_json::from_str(token).ok()?) } else { Cow::Borrowed(inner) }
        }
        b'-' | b'0'..=b'9' => Cow::Borrowed(token),
        _ => return None,
    };
    (1..=LONGEST).contains(&text.len()).then_some(text)
}

enum Name {
    EventId,
    Timestamp,
    Other,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "eventId" => Name::EventId,
                    "timestamp" => Name::Timestamp,
                    _ => Name::Other,
                })
            }
        }
        deserializer.deserialize_str(Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(payload: &str) -> (Option<String>, Option<String>) {
        let glance = Glance::of(payload.as_bytes());
        (glance.event_id.map(Cow::into_owned), glance.time.map(Cow::into_owned))
    }

    #[test]
    fn ids_and_times_are_seen_at_the_top_only() {
        let both = |id: &str, time: &str| (Some(id.to_owned()), Some(time.to_owned()));
        assert_eq!(seen(r#"{"eventId":"e-1","x":{"eventId":"no"},"timestamp":1700000000}"#), both("e-1", "1700000000"));
        assert_eq!(
            seen(r#" {"timestamp" : "2026-01-01T00:00:00Z" , "eventId" : 17} "#),
            both("17", "2026-01-01T00:00:00Z")
        );
        assert_eq!(seen(r#"{"eventId":"a","eventId":"b\u0063","timestamp":1}"#), both("bc", "1"));
        for nothing in [
            "",
            "{}",
            "nonsense eventId",
            r#"{"eventId":null}"#,
            r#"{"eventId":""}"#,
            r#"{"eventId":{}}"#,
            r#"{"eventId":"e-1"} and more"#,
            r#"{"eventId":"e-1""#,
            r#"[{"eventId":"e-1"}]"#,
            r#"{"a":{"timestamp":1}}"#,
        ] {
            assert_eq!(seen(nothing), (None, None), "{nothing}");
        }
        assert_eq!(seen(&format!(r#"{{"eventId":"{}"}}"#, "x".repeat(129))), (None, None));
    }

    #[test]
    fn times_are_read_as_devices_write_them() {
        let same = 1_795_536_000_000;
        for text in ["1795536000", "1795536000.0", "1795536000000", "1795536000000000", "2026-11-24T16:00:00Z"] {
            assert_eq!(millis(text), Some(same), "{text}");
        }
        assert_eq!(millis("1795536000.25"), Some(same + 250));
        for text in ["", "soon", "-1", "1e300", "NaN", "inf", "0x10"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_far_off_tells_nothing() {
        let at = 1_795_536_000_000;
        let plausible = |time: i64| {
            let payload = format!(r#"{{"timestamp":{time}}}"#);
            Glance::of(payload.as_bytes()).plausible_time(at)
        };
        for near in [at, at - BEFORE, at + AFTER] {
            assert_eq!(plausible(near), Some(near));
        }
        for far in [at - BEFORE - 1, at + AFTER + 1, 0, 1] {
            assert_eq!(plausible(far), None, "{far}");
        }
    }
}
