//! Numbers that are looked at now and then, for metrics and for whoever watches a terminal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::happening::Happening;
use super::lane::Lane;
use super::metrics::Metrics;
use crate::bridge::journal::Usage;
use crate::bridge::record::Lane as Kind;
use crate::message::now;

/// A lane that goes through the journal for less is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// What is known of each lane.
#[derive(Debug, Default)]
pub struct Gauges {
    spills: [Spills; Kind::ALL.len()],
}

#[derive(Debug, Default)]
struct Spills {
    since: Option<Instant>,
    is_told: bool,
}

impl Gauges {
    /// Sets every gauge, and tells of lanes that begin to go through the journal or have caught up.
    pub fn set(
        &mut self,
        metrics: &Metrics,
        usage: &Usage,
        lanes: &[Lane; Kind::ALL.len()],
        tell: &Arc<dyn Fn(Happening) + Send + Sync>,
    ) {
        let now = now();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for ((lane, kind), stored) in lanes.iter().zip(Kind::ALL).zip(&usage.lanes) {
            metrics.in_flight.get_or_create(&kind.into()).set(number(lane.in_flight() as u64));
            metrics.journal_messages.get_or_create(&kind.into()).set(number(stored.records));
            let oldest = [lane.oldest(), stored.oldest].into_iter().flatten().min();
            let age = Duration::from_millis(oldest.map_or(0, |oldest| (now - oldest).max(0)).unsigned_abs());
            metrics.journal_age.get_or_create(&kind.into()).set(age.as_secs_f64());
            if let Some(happening) = self.spills[kind as usize].look(kind, lane.is_spilling()) {
                tell(happening);
            }
        }
        metrics.journal_bytes.set(number(usage.bytes));
        metrics.journal_limit.set(number(usage.limit));
    }
}

impl Spills {
    fn look(&mut self, lane: Kind, spills: bool) -> Option<Happening> {
        if !spills {
            self.since = None;
            return std::mem::take(&mut self.is_told).then(|| Happening::journaling(lane, false));
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_news = !self.is_told && since.elapsed() >= WORTH_TELLING;
        self.is_told |= is_news;
        is_news.then(|| Happening::journaling(lane, true))
    }
}
