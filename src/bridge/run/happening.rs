//! What a bridge tells while it runs.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::bridge::journal::Finding;
use crate::bridge::record::Lane;
use crate::stack::leaf::EMERGENCY_STATUS;

/// One thing that whoever looks after the bridge should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Another bridge is active, of this process id if it is known; this one waits.
    Standby {
        holder: Option<String>,
    },
    /// The other one has ended.
    Active,
    /// Subscribed; the session may be another process's of before.
    Connected {
        resumed: bool,
    },
    /// The subscriptions are as routes say that were read again.
    Resubscribed,
    /// The connection is made again until it holds.
    Disconnected {
        cause: String,
    },
    /// The server had a session and has it no more: what it had queued is gone, and what was published since `since`
    /// (in milliseconds since 1970) may be.
    SessionLost {
        since: i64,
        now: i64,
    },
    /// Kafka does not take a lane's records as fast as they come: they are written to the journal first.
    Journaling {
        lane: &'static str,
    },
    /// Everything that waited is with Kafka.
    CaughtUp {
        lane: &'static str,
    },
    /// Some messages are dropped, or none are read, as the journal fills; or that is over.
    Room {
        words: &'static str,
    },
    /// The journal cannot be written.
    JournalProblem {
        cause: String,
    },
    JournalWorks,
    JournalDamaged {
        finding: Finding,
    },
    /// A message that could not become what its route says.
    DeadLetter {
        topic: String,
        reason: String,
    },
    /// What services write of emergencies does not get to people; it waits in Kafka.
    StatusHeld {
        cause: String,
    },
    /// It does.
    StatusFlows,
    /// A record that is for nobody, by its place.
    StatusSkipped {
        record: String,
        reason: String,
    },
    /// The bridge's own press did not get to Kafka, nor did any since.
    ProbeFails {
        cause: String,
    },
    /// It does again, within `took`.
    ProbeWorks {
        took: Duration,
    },
}

impl Happening {
    /// Whether somebody has to look after it.
    pub fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::Standby { .. }
                | Self::Active
                | Self::Connected { .. }
                | Self::Resubscribed
                | Self::CaughtUp { .. }
                | Self::JournalWorks
                | Self::StatusFlows
                | Self::ProbeWorks { .. }
        )
    }

    pub(super) fn journaling(lane: Lane, spills: bool) -> Self {
        let lane = lane.as_str();
        if spills { Self::Journaling { lane } } else { Self::CaughtUp { lane } }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |millis: &i64| Timestamp::from_millisecond(*millis).unwrap_or_default();
        match self {
            Self::Standby { holder: Some(holder) } => write!(f, "standby: process {holder} is the active bridge"),
            Self::Standby { holder: None } => f.write_str("standby: another bridge is the active one"),
            Self::Active => f.write_str("the other bridge has stopped: this one is now active"),
            Self::Connected { resumed: true } => f.write_str("subscribed; the session was resumed"),
            Self::Connected { resumed: false } => f.write_str("subscribed; the session is new"),
            Self::Resubscribed => f.write_str("subscribed to the topics of the new routes"),
            Self::Disconnected { cause } => write!(f, "MQTT: {cause}; reconnecting"),
            Self::SessionLost { since, now } => {
                let (since, now) = (time(since), time(now));
                write!(
                    f,
                    "Mosquitto has lost the bridge's session: what was published between {since:.0} and {now:.0} may be missing"
                )
            }
            Self::Journaling { lane } => {
                write!(f, "Kafka is slow or down: {lane} are written to the journal until it accepts them")
            }
            Self::CaughtUp { lane } => write!(f, "Kafka has caught up: {lane}"),
            Self::Room { words } => f.write_str(words),
            Self::JournalProblem { cause } => f.write_str(cause),
            Self::JournalWorks => f.write_str("the journal is writable again"),
            Self::JournalDamaged { finding } => write!(f, "{finding}"),
            Self::DeadLetter { topic, reason } => write!(f, "dead letter from {topic}: {reason}"),
            Self::StatusHeld { cause } => write!(f, "emergency status updates are waiting in Kafka: {cause}"),
            Self::StatusFlows => write!(f, "emergency status updates go to {}", EMERGENCY_STATUS.filter()),
            Self::StatusSkipped { record, reason } => {
                write!(f, "the status update in {record} has no recipient: {reason}")
            }
            Self::ProbeFails { cause } => write!(f, "the probe fails: {cause}"),
            Self::ProbeWorks { took } => write!(f, "the probe gets through again, in {} ms", took.as_millis()),
        }
    }
}
