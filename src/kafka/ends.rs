//! Partitions that are still to be read up to an offset.

use super::native::Place;
use super::offsets::Part;
use crate::place::Until;

/// What is not read yet.
pub(super) struct Ends {
    /// None: there is no end.
    waiting: Option<Vec<End>>,
    /// Where the partition of the last message stands in it: most messages share it with the one before.
    hit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The first offset that is not read.
    pub(super) before: i64,
}

impl Ends {
    pub(super) fn new(parts: &[Part], until: Until) -> Self {
        let of = |part: &Part| {
            let before = part.end.unwrap_or(i64::MAX);
            (part.start < before).then(|| End { topic: part.topic.clone(), partition: part.partition, before })
        };
        let ends = until != Until::Never;
        Self { waiting: ends.then(|| parts.iter().filter_map(of).collect()), hit: 0 }
    }

    pub(super) fn all_reached(&self) -> bool {
        self.waiting.as_ref().is_some_and(Vec::is_empty)
    }

    /// What is still to be read; nothing where there is no end.
    pub(super) fn waiting(&mut self) -> Option<&mut Vec<End>> {
        self.waiting.as_mut()
    }

    /// A partition that came later, which is read until its end is known.
    pub(super) fn add(&mut self, topic: &str, partition: i32) {
        // One that was made again is read anew.
        self.give_up(topic, Some(partition));
        if let Some(waiting) = &mut self.waiting {
            waiting.push(End { topic: topic.to_owned(), partition, before: i64::MAX });
        }
    }

    /// Whether a message lies before its partition's end; one that lies at the end settles the partition.
    pub(super) fn admit(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        let Some(waiting) = &mut self.waiting else { return true };
        let is_it = |end: &End| end.partition == partition && end.topic == topic;
        if !waiting.get(self.hit).is_some_and(is_it) {
            match waiting.iter().position(is_it) {
                Some(found) => self.hit = found,
                None => return false,
            }
        }
        let end = waiting[self.hit].before;
        if offset + 1 >= end {
            waiting.swap_remove(self.hit);
        }
        offset < end
    }

    /// A partition has no more messages: its last offsets may hold transaction markers or were compacted
    /// away, so that no message ever has them.
    pub(super) fn at_end(&mut self, place: &Place) {
        self.remove(|end| end.partition == place.partition && end.topic == place.topic && place.offset >= end.before);
    }

    /// Partitions that cannot be read any further.
    pub(super) fn give_up(&mut self, topic: &str, partition: Option<i32>) {
        self.remove(|end| end.topic == topic && partition.is_none_or(|given| given == end.partition));
    }

    fn remove(&mut self, is_it: impl Fn(&End) -> bool) {
        if let Some(waiting) = &mut self.waiting {
            waiting.retain(|end| !is_it(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(topic: &str, partition: i32, start: i64, end: i64) -> Part {
        Part { topic: topic.to_owned(), partition, start, high: end, end: Some(end) }
    }

    fn place(topic: &str, partition: i32, offset: i64) -> Place {
        Place { topic: topic.to_owned(), partition, offset }
    }

    #[test]
    fn every_partition_is_read_to_its_end_or_given_up() {
        let parts = [part("a", 0, 0, 2), part("a", 1, 5, 5), part("b", 0, 0, 9), part("b", 1, 0, 9)];
        let mut ends = Ends::new(&parts, Until::Now);
        assert!(ends.admit("a", 0, 0) && ends.admit("a", 0, 1));
        assert!(!ends.admit("a", 0, 2), "it lies behind the end");
        assert!(!ends.admit("a", 1, 5), "it was at its end");
        ends.at_end(&place("b", 0, 8));
        assert!(ends.admit("b", 0, 7), "the end was not reached");
        ends.at_end(&place("b", 0, 9));
        assert!(!ends.all_reached());
        ends.give_up("b", None);
        assert!(ends.all_reached());
    }

    #[test]
    fn without_an_end_everything_is_read() {
        let mut ends = Ends::new(&[part("a", 0, 0, 2)], Until::Never);
        ends.give_up("a", Some(0));
        assert!(ends.admit("a", 0, 100) && ends.admit("new", 3, 0) && !ends.all_reached());
    }
}
