//! How far records were taken: as far as everything before was, whatever order acknowledgements come in. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::kafka::relay::Place;

/// The records of each partition that are under way, in the order of their offsets.
#[derive(Debug, Default)]
pub struct Progress(BTreeMap<(String, i32), VecDeque<Way>>);

#[derive(Debug)]
struct Way {
    offset: i64,
    taken: bool,
}

impl Progress {
    /// This record goes on its way, behind those of its partition that went before.
    pub fn begin(&mut self, place: &Place) {
        let ways = self.0.entry((place.topic.clone(), place.partition)).or_default();
        ways.push_back(Way { offset: place.offset, taken: false });
    }

    /// This one was taken; the place behind all that were, where that has moved.
    pub fn taken(&mut self, place: &Place) -> Option<Place> {
        let ways = self.0.get_mut(&(place.topic.clone(), place.partition))?;
        ways.iter_mut().filter(|way| way.offset == place.offset).for_each(|way| way.taken = true);
        let mut next = None;
        while ways.front().is_some_and(|way| way.taken) {
            next = ways.pop_front().map(|way| way.offset + 1);
        }
        next.map(|offset| Place { offset, ..place.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32, offset: i64) -> Place {
        Place { topic: "emergency.updated".to_owned(), partition, offset }
    }

    #[test]
    fn what_is_not_taken_holds_back_what_comes_behind_it() {
        let mut progress = Progress::default();
        // Offsets have gaps: a transaction's marks, what was compacted.
        for place in [place(0, 3), place(0, 5), place(0, 6), place(1, 0)] {
            progress.begin(&place);
        }
        assert_eq!(progress.taken(&place(0, 5)), None);
        assert_eq!(progress.taken(&place(1, 0)), Some(place(1, 1)));
        assert_eq!(progress.taken(&place(0, 3)), Some(place(0, 6)));
        assert_eq!(progress.taken(&place(0, 6)), Some(place(0, 7)));
    }
}
