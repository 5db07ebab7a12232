//! What is looked at now and then: the journal's room and troubles, and what follows from them.

use std::sync::Arc;

use super::counts::Gauges;
use super::happening::Happening;
use super::lane::Lane;
use super::metrics::Metrics;
use crate::bridge::journal::{Journal, Room};
use crate::bridge::record::Lane as Kind;

/// Bytes that wait for a journal that cannot be written: no more messages are read beyond that.
const PENDING: u64 = 16 << 20;

/// How the journal was at the last look.
pub struct Upkeep {
    pub room: Room,
    /// Whether messages may be read from Mosquitto.
    pub reads: bool,
    had_problem: bool,
    gauges: Gauges,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { room: Room::Plenty, reads: true, had_problem: false, gauges: Gauges::default() }
    }
}

impl Upkeep {
    /// Looks again, tells what has changed, and says why nothing is read where that is so.
    pub fn look(
        &mut self,
        journal: &Journal,
        lanes: &[Lane; Kind::ALL.len()],
        metrics: &Metrics,
        tell: &Arc<dyn Fn(Happening) + Send + Sync>,
    ) -> Option<String> {
        let usage = journal.usage();
        let room = usage.room();
        if room != self.room {
            self.room = room;
            tell(Happening::Room { words: words_of(room) });
        }
        let of_lanes = lanes.iter().filter(|lane| lane.is_spilling()).find_map(Lane::problem);
        let problem = of_lanes.or_else(|| journal.receipts().problem());
        match &problem {
            Some(problem) if !self.had_problem => tell(Happening::JournalProblem { cause: problem.cause.clone() }),
            None if self.had_problem => tell(Happening::JournalWorks),
            _ => {}
        }
        self.had_problem = problem.is_some();
        let pending: u64 = usage.lanes.iter().map(|lane| lane.pending_bytes).sum();
        self.reads = room != Room::None && pending < PENDING;
        self.gauges.set(metrics, &usage, lanes, tell);
        let cause = || problem.map_or_else(|| words_of(room).to_owned(), |problem| problem.cause);
        (!self.reads).then(cause)
    }
}

fn words_of(room: Room) -> &'static str {
    match room {
        Room::Plenty => "the journal has room again: everything is accepted",
        Room::Short => "the journal is 80 % full: messages at QoS 0 are dropped, except emergencies and alerts",
        Room::Urgent => {
            "the journal is 95 % full: only emergencies and alerts are accepted, everything else is dropped"
        }
        Room::None => "the journal is full: nothing more is read, and Mosquitto queues what it can",
    }
}
