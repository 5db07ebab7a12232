//! Whether the ensemble has its quorum.

use std::time::Duration;

use futures_util::future::join_all;

use crate::zookeeper::{self, Mode};

/// What a node answers: its role, or why it has none.
pub type Answer = Result<Mode, String>;

/// The ensemble as its nodes describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// Nodes that there should be.
    pub total: usize,
    pub serving: usize,
    leaders: usize,
    /// Why the first one that does not serve does not.
    why: Option<String>,
}

/// Asks nodes for their roles, all at once; answers in the order of the addresses.
pub async fn ask(addresses: &[String], patience: Duration) -> Vec<Answer> {
    let asked = addresses.iter().map(async |address| zookeeper::mode(address, patience).await);
    join_all(asked).await.into_iter().map(|mode| mode.map_err(|error| format!("{error:#}"))).collect()
}

impl Quorum {
    /// `answers` of an ensemble that should have `total` nodes.
    pub fn of<'a>(answers: impl IntoIterator<Item = &'a Answer>, total: usize) -> Self {
        let mut quorum = Self { total, serving: 0, leaders: 0, why: None };
        for answer in answers {
            match answer {
                Ok(mode) => {
                    quorum.serving += 1;
                    quorum.leaders += usize::from(matches!(mode, Mode::Leader | Mode::Standalone));
                }
                Err(words) => quorum.why = quorum.why.take().or_else(|| Some(words.clone())),
            }
        }
        quorum
    }

    /// One leader, and everybody else follows it.
    pub fn is_full(&self) -> bool {
        self.serving == self.total && self.leaders == 1
    }

    /// Whether clients are served, although nodes may be missing.
    pub fn holds(&self) -> bool {
        self.leaders == 1 && self.serving > self.total / 2
    }

    /// What is wrong with it.
    pub fn words(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        match (self.serving == self.total, self.leaders) {
            (true, leaders) => format!("{leaders} leaders"),
            (false, _) => format!("{} of {} nodes serve{why}", self.serving, self.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answers: &[Answer], total: usize) -> Quorum {
        Quorum::of(answers, total)
    }

    #[test]
    fn a_full_quorum_has_one_leader_whom_all_follow() {
        assert!(of(&[Ok(Mode::Follower), Ok(Mode::Leader), Ok(Mode::Follower)], 3).is_full());
        assert!(of(&[Ok(Mode::Standalone)], 1).is_full());
        let two = of(&[Ok(Mode::Leader), Ok(Mode::Leader), Ok(Mode::Follower)], 3);
        assert!(!two.is_full() && !two.holds());
        assert_eq!(two.words(), "2 leaders");
    }

    #[test]
    fn a_node_that_is_missing_altogether_counts() {
        let missing = of(&[Ok(Mode::Leader), Ok(Mode::Follower)], 3);
        assert!(!missing.is_full() && missing.holds());
        assert_eq!(missing.words(), "2 of 3 nodes serve");
        let alone = of(&[Ok(Mode::Leader), Err("refused".to_owned())], 3);
        assert!(!alone.holds());
        assert_eq!(alone.words(), "1 of 3 nodes serve (refused)");
    }
}
