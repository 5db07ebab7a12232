//! What became of each message: how many were acknowledged, and which were not and why.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Reasons that are named with their lines; the rest is counted.
const REASONS: usize = 5;
/// Ranges of lines that are named for one reason.
const RANGES: usize = 20;

/// Numbers in ranges, as they come; mostly one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub fn push(&mut self, number: u64) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => self.0.push((number, number)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Every number, in the order in which they came.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    fn sorted(&self) -> Vec<(u64, u64)> {
        let mut ranges = self.0.clone();
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        joined
    }

    fn words(&self) -> String {
        let ranges = self.sorted();
        let word =
            |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
        let mut words = ranges.iter().take(RANGES).map(word).collect::<Vec<_>>().join(", ");
        if ranges.len() > RANGES {
            let named: u64 = ranges.iter().take(RANGES).map(|(first, last)| last - first + 1).sum();
            let _ = write!(words, " and {} more", self.count() - named);
        }
        words
    }
}

/// Filled by publishers, also from the client libraries' threads.
#[derive(Debug, Default)]
pub struct Ledger {
    accepted: AtomicU64,
    partition: AtomicI32,
    offset: AtomicI64,
    refused: Mutex<BTreeMap<String, Ranges>>,
}

impl Ledger {
    /// One message was acknowledged as its QoS asks.
    pub fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// One message was written by all in-sync replicas.
    pub fn accept_at(&self, partition: i32, offset: i64) {
        self.partition.store(partition, Ordering::Relaxed);
        self.offset.store(offset, Ordering::Relaxed);
        self.accept();
    }

    /// One message was not acknowledged; `number` is its line.
    pub fn refuse(&self, number: u64, reason: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranges) = refused.get_mut(reason) {
            ranges.push(number);
        } else {
            refused.entry(reason.to_owned()).or_default().push(number);
        }
    }

    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Where the last message was written (Kafka).
    pub fn place(&self) -> (i32, i64) {
        (self.partition.load(Ordering::Relaxed), self.offset.load(Ordering::Relaxed))
    }

    /// What was refused, by reason.
    pub fn refused(&self) -> Vec<(String, Ranges)> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|(reason, ranges)| (reason.clone(), ranges.clone())).collect()
    }
}

/// Which lines were refused and why, for people; the most frequent reasons first.
pub fn render_refused(refused: &[(String, Ranges)]) -> String {
    let mut reasons: Vec<&(String, Ranges)> = refused.iter().collect();
    reasons.sort_by_key(|(_, ranges)| std::cmp::Reverse(ranges.count()));
    let mut text = String::new();
    for (reason, ranges) in reasons.iter().take(REASONS) {
        let noun = if ranges.count() == 1 { "line" } else { "lines" };
        let _ = write!(text, "\n  {noun} {}: {reason}", ranges.words());
    }
    if reasons.len() > REASONS {
        let rest: u64 = reasons[REASONS..].iter().map(|(_, ranges)| ranges.count()).sum();
        let _ = write!(text, "\n  and {rest} more for other reasons");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_lines_are_named_in_ranges() {
        let ledger = Ledger::default();
        for number in [7, 5, 6, 9, 10, 11] {
            ledger.refuse(number, "no rights");
        }
        ledger.refuse(2, "too large");
        let refused = ledger.refused();
        assert_eq!(render_refused(&refused), "\n  lines 5-7, 9-11: no rights\n  line 2: too large");
        assert_eq!(refused.iter().map(|(_, ranges)| ranges.count()).sum::<u64>(), 7);
    }

    #[test]
    fn many_ranges_are_cut_short() {
        let mut ranges = Ranges::default();
        (0..50).for_each(|n| ranges.push(2 * n + 1));
        assert!(ranges.words().ends_with("39 and 30 more"), "{}", ranges.words());
        assert_eq!(ranges.numbers().count(), 50);
    }
}
