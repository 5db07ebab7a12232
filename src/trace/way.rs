//! Hops with their times, as a trace tells them.

use super::hop::{Hop, Kind};
use super::record::Found;
use crate::message::{Clock, in_calendar};

/// A hop that is a record.
pub(super) fn at_place(hop: Kind, found: &Found) -> Hop {
    Hop {
        hop,
        topic: Some(found.topic.clone()),
        partition: Some(found.partition),
        offset: Some(found.offset),
        reason: found.reason.clone(),
        ..Hop::default()
    }
}

/// Hops, with their times.
pub(super) struct Way {
    /// When it began, in milliseconds since 1970.
    pub(super) sent: i64,
    pub(super) hops: Vec<Hop>,
}

impl Way {
    /// Adds a hop `after` milliseconds, which had waited `since` milliseconds for another one.
    pub(super) fn push(&mut self, hop: Hop, after: f64, since: Option<f64>) {
        #[expect(clippy::cast_possible_truncation, reason = "it is the time of a press and some seconds")]
        let at = self.sent + after as i64;
        let took_ms = since.map(|since| rounded(after - since));
        self.hops.push(Hop { time: time(at), after_ms: Some(rounded(after)), took_ms, ..hop });
    }

    /// As [`Way::push`], with times in milliseconds since 1970.
    pub(super) fn push_at(&mut self, hop: Hop, at: Option<i64>, since: Option<i64>) {
        #[expect(clippy::cast_precision_loss, reason = "a difference of times")]
        let after = |at: i64| at.saturating_sub(self.sent) as f64;
        // Not every producer counts milliseconds.
        match at.filter(|at| in_calendar(*at).is_some()).map(after) {
            None => self.hops.push(hop),
            Some(at) => self.push(hop, at, since.map(after).filter(|since| *since <= at)),
        }
    }
}

/// To tenths of a millisecond: what is finer, threads have decided on.
fn rounded(millis: f64) -> f64 {
    (millis * 10.0).round() / 10.0
}

/// RFC 3339; None where there is no time.
pub(super) fn time(millis: i64) -> Option<String> {
    in_calendar(millis)?;
    let mut text = Vec::new();
    Clock::utc().write(millis, &mut text);
    String::from_utf8(text).ok()
}
