//! A pace to keep.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// Messages in a period: `500/s`, `30/m`; a bare number is a second's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    gap: Duration,
}

impl Rate {
    /// From one message to the next.
    pub fn gap(self) -> Duration {
        self.gap
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err("write a rate such as 500/s, 30/m or 10/h".to_owned()),
        };
        let count: f64 = count
            .parse()
            .ok()
            .filter(|count: &f64| count.is_finite() && *count > 0.0)
            .ok_or("write a rate such as 500/s")?;
        let gap = Duration::try_from_secs_f64(seconds / count).map_err(|_| "that is too slow a rate")?;
        Ok(Self { gap })
    }
}

/// Says when each message is due. What was late is caught up with, for up to a second.
pub(super) struct Pace {
    gap: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { gap: rate.gap, next: Instant::now() }
    }

    /// How long to wait before the next message.
    pub(super) fn wait(&mut self) -> Duration {
        let now = Instant::now();
        let earliest = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let due = self.next.max(earliest);
        self.next = due + self.gap;
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!("500/s".parse::<Rate>().unwrap().gap, Duration::from_millis(2));
        assert_eq!("30/m".parse::<Rate>().unwrap().gap, Duration::from_secs(2));
        assert_eq!("4".parse::<Rate>().unwrap().gap, Duration::from_millis(250));
        for wrong in ["", "0/s", "-1/s", "5/d", "fast", "nan", "inf"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pace_waits_for_its_gap() {
        let mut pace = Pace::new("1/h".parse().unwrap());
        assert_eq!(pace.wait(), Duration::ZERO);
        assert!(pace.wait() > Duration::from_secs(3000));
    }
}
