//! Where reading begins and ends, as people write it.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    Now,
    /// At the first message of this time or later, in milliseconds.
    Time(i64),
    /// At this offset of each partition.
    Offset(i64),
}

/// Where reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Never,
    /// Where the partitions ended when reading began.
    Now,
    /// Before the first message of this time or later, in milliseconds. In the future it is waited for.
    Time(i64),
    /// Before this offset of each partition.
    Offset(i64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "now" => Ok(Self::Now),
            text => match place(text) {
                Some(Place::Time(time)) => Ok(Self::Time(time)),
                Some(Place::Offset(offset)) => Ok(Self::Offset(offset)),
                None => Err(format!("write beginning, now, {WAYS}")),
            },
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            text => match place(text) {
                Some(Place::Time(time)) => Ok(Self::Time(time)),
                Some(Place::Offset(offset)) => Ok(Self::Offset(offset)),
                None => Err(format!("write now, {WAYS}")),
            },
        }
    }
}

/// What else may be written.
const WAYS: &str =
    "a duration ago (5m, 7d), a time (2026-11-24T16:00, 16:00, 13 digits of epoch milliseconds) or an offset";
/// So many digits are epoch milliseconds, from 2001 to 2286, as Kafka's tools print them. No partition has as many
/// messages; `offset:` goes before an offset that looks like a time all the same.
const EPOCH_DIGITS: usize = 13;
const OFFSET: &str = "offset:";

enum Place {
    Time(i64),
    Offset(i64),
}

fn place(text: &str) -> Option<Place> {
    let (number, is_offset) = text.strip_prefix(OFFSET).map_or((text, false), |number| (number, true));
    if is_offset || number.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_time = !is_offset && number.len() == EPOCH_DIGITS;
        let number = number.parse().ok().filter(|number: &i64| *number >= 0)?;
        return Some(if is_time { Place::Time(number) } else { Place::Offset(number) });
    }
    let zone = TimeZone::system();
    let local = |time: DateTime| zone.to_timestamp(time).ok();
    let today = |time: Time| local(zone.to_datetime(Timestamp::now()).date().to_datetime(time));
    let ago = || {
        let ago = crate::duration::parse(text).ok()?;
        Timestamp::now().checked_sub(jiff::SignedDuration::try_from(ago).ok()?).ok()
    };
    let midnight = |date: Date| local(date.to_datetime(Time::midnight()));
    let time = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<Date>().ok().filter(|_| text.len() == 10).and_then(midnight))
        .or_else(|| text.parse::<DateTime>().ok().and_then(local))
        .or_else(|| text.parse::<Time>().ok().and_then(today))
        .or_else(ago)?;
    Some(Place::Time(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        assert_eq!("beginning".parse(), Ok(From::Beginning));
        assert_eq!("now".parse(), Ok(From::Now));
        assert_eq!("42".parse(), Ok(From::Offset(42)));
        assert_eq!("1700000000".parse(), Ok(From::Offset(1_700_000_000)));
        assert_eq!("1795536000123".parse(), Ok(From::Time(1_795_536_000_123)));
        assert_eq!("1795536000123".parse(), Ok(Until::Time(1_795_536_000_123)));
        assert_eq!("offset:1795536000123".parse(), Ok(From::Offset(1_795_536_000_123)));
        assert_eq!("offset:7".parse(), Ok(Until::Offset(7)));
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(From::Time(1500)));
        assert_eq!("1970-01-01T02:00:00+02:00".parse(), Ok(Until::Time(0)));
        for local in
            ["2026-11-24T16:00", "2026-11-24 16:00:30", "2026-11-24", "16:00", "16:00:01", "5m", "1h30m", "7d", "1w"]
        {
            assert!(matches!(local.parse(), Ok(From::Time(_))), "{local}");
        }
        for wrong in ["", "soon", "-5", "2026-13-40", "offset:", "offset:-1", "offset:x", "99999999999999999999"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
            assert!(wrong.parse::<Until>().is_err(), "{wrong}");
        }
        assert!("beginning".parse::<Until>().is_err());
    }

    #[test]
    fn ago_counts_from_now() {
        let Ok(From::Time(time)) = "1h".parse() else { panic!("no time") };
        let ago = Timestamp::now().as_millisecond() - time;
        assert!((3_600_000..3_660_000).contains(&ago), "{ago}");
    }
}
