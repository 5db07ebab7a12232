//! Topics that may be gone, or may only be unknown to brokers that were just started.
//!
//! The library waits 30 s for a topic, counted from its first use. After that, everything for the topic fails as soon as one
//! broker answers that it does not know it yet. A new producer waits another 30 s: a topic that it does not find either is
//! gone.

use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Default)]
pub struct Doubts {
    /// Unknown to the producer at work, or to one before it, and nothing was delivered there since.
    unknown: BTreeSet<Arc<str>>,
    /// Those of them that were unknown before the producer at work began.
    proven: BTreeSet<Arc<str>>,
}

impl Doubts {
    /// Another producer begins.
    pub fn begin(&mut self) {
        self.proven.clone_from(&self.unknown);
    }

    /// The producer at work does not know the topic: whether that is the last word.
    pub fn is_gone(&mut self, topic: &Arc<str>) -> bool {
        self.unknown.insert(Arc::clone(topic));
        self.proven.contains(topic)
    }

    /// The topic is there.
    pub fn dispel(&mut self, topic: &str) {
        if !self.unknown.is_empty() {
            self.unknown.remove(topic);
            self.proven.remove(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_gone_when_two_producers_in_a_row_do_not_know_it() {
        let (mut doubts, topic, other) = (Doubts::default(), Arc::from("a"), Arc::from("b"));
        doubts.begin();
        assert!(!doubts.is_gone(&topic) && !doubts.is_gone(&topic), "the same producer says it twice");
        doubts.begin();
        assert!(doubts.is_gone(&topic) && !doubts.is_gone(&other));
        doubts.begin();
        assert!(doubts.is_gone(&topic) && doubts.is_gone(&other));
    }

    #[test]
    fn a_topic_that_takes_something_is_there() {
        let (mut doubts, topic) = (Doubts::default(), Arc::from("a"));
        doubts.begin();
        assert!(!doubts.is_gone(&topic));
        doubts.begin();
        doubts.dispel("a");
        assert!(!doubts.is_gone(&topic), "a later outage begins from the start");
    }
}
