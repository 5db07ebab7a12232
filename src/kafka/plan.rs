//! What is to be read, and who hears of it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};

use super::away::Away;
use crate::about::About;
use crate::place::{From, Until};
use crate::stream::{Gate, PATIENCE, Tell, Told, Wanted};

/// What is to be read.
pub struct Plan {
    /// Names; `*` stands for any letters, and then internal topics are left out.
    pub topics: Vec<String>,
    /// Only this one of each topic.
    pub partition: Option<i32>,
    pub from: From,
    pub until: Until,
    /// The past by time across partitions.
    pub merged: bool,
    /// Only the newest wanted messages of the past.
    pub last: Option<usize>,
    pub group: Option<Membership>,
    /// What cannot be read is a failure, as nobody may wait for it.
    pub strict: bool,
    /// Little memory goes before speed.
    pub for_people: bool,
    /// How long brokers may take to answer.
    pub patience: Duration,
}

impl Plan {
    /// All of these topics up to what is there now; what cannot be read is a failure.
    pub fn all_of(topics: Vec<String>) -> Self {
        Self {
            topics,
            partition: None,
            from: From::Beginning,
            until: Until::Now,
            merged: false,
            last: None,
            group: None,
            strict: true,
            for_people: false,
            patience: PATIENCE,
        }
    }
}

/// How a reader takes part in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub group: String,
    /// Commits what was told.
    pub ack: bool,
    /// Although it takes partitions from members that are there.
    pub join: bool,
}

/// Who hears of it.
pub struct Ears {
    pub wanted: Wanted,
    pub tell: Tell,
    /// Opened when the past is over.
    pub gate: Gate,
    pub away: Arc<Away>,
}

impl Ears {
    pub(super) fn notice(&self, words: String) -> ControlFlow<()> {
        (self.tell)(Told::Notice(words))
    }
}

pub(super) type Consumer = BaseConsumer<Quiet>;

/// The library's log lines go nowhere; its errors come as events.
pub(super) struct Quiet {
    /// Which cluster is read, for remedies.
    pub(super) about: About,
}

// What the library logs goes to the crate `log`, which nobody listens to.
impl ClientContext for Quiet {}

impl ConsumerContext for Quiet {}
