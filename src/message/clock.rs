//! Times as text, quickly: most messages of a stream share their second.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::NO_TIME;

/// The instant of milliseconds since the epoch; None where there is no time, or the calendar's 9999 years end before.
pub fn in_calendar(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok().filter(|_| millis != NO_TIME)
}

/// The time now, in milliseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Writes milliseconds since the epoch as `2026-11-24T16:00:00.123Z`, or by a pattern in a time zone.
pub struct Clock {
    zone: TimeZone,
    /// What stands before and after the fraction of a second.
    pattern: &'static str,
    suffix: &'static str,
    second: i64,
    text: String,
}

impl Clock {
    /// RFC 3339 in UTC, which sorts as text.
    pub fn utc() -> Self {
        Self::new(TimeZone::UTC, "%Y-%m-%dT%H:%M:%S", "Z")
    }

    /// The time of day where this machine is.
    pub fn local_time_of_day() -> Self {
        Self::new(TimeZone::system(), "%H:%M:%S", "")
    }

    /// Day and time where this machine is.
    pub fn local() -> Self {
        Self::new(TimeZone::system(), "%Y-%m-%d %H:%M:%S", "")
    }

    fn new(zone: TimeZone, pattern: &'static str, suffix: &'static str) -> Self {
        Self { zone, pattern, suffix, second: i64::MIN, text: String::new() }
    }

    /// Appends the text of a time; nothing where there is none; the number itself where no calendar has it, as it
    /// counts something else than milliseconds.
    pub fn write(&mut self, millis: i64, out: &mut Vec<u8>) {
        let Some(time) = in_calendar(millis) else {
            if millis != NO_TIME {
                out.extend_from_slice(itoa::Buffer::new().format(millis).as_bytes());
            }
            return;
        };
        let second = time.as_millisecond().div_euclid(1000);
        if second != self.second {
            let whole = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
            self.text = self.zone.to_datetime(whole).strftime(self.pattern).to_string();
            self.second = second;
        }
        let fraction = time.as_millisecond().rem_euclid(1000);
        let digit = |value: i64| b'0' + u8::try_from(value % 10).unwrap_or(0);
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(&[b'.', digit(fraction / 100), digit(fraction / 10), digit(fraction)]);
        out.extend_from_slice(self.suffix.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn times_are_those_of_the_calendar() {
        let mut clock = Clock::utc();
        for millis in [0, 1, 999, 1000, 1_795_536_000_123, -2, -1001, 4_102_444_799_999] {
            let mut text = Vec::new();
            clock.write(millis, &mut text);
            let text = String::from_utf8(text).unwrap();
            let expected: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(expected.as_millisecond(), millis, "{text}");
            assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
        }
    }

    #[test]
    fn what_no_calendar_has_is_the_number_itself() {
        let mut text = Vec::new();
        for micros_or_none in [1_795_536_000_123_456, super::NO_TIME, i64::MIN] {
            Clock::local().write(micros_or_none, &mut text);
            text.push(b' ');
        }
        assert_eq!(text, b"1795536000123456  -9223372036854775808 ");
    }
}
