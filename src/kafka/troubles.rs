//! What goes wrong in the midst of reading: named once, and held against whoever reads to an end.

use std::collections::HashSet;

use anyhow::Result;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::native::{Place, Trouble};
use super::passing::is_passing;
use super::plan::Ears;
use crate::about::Remedy;
use crate::failure::Failure;

/// Troubles that are named in one failure; the rest is counted.
const NAMED: usize = 5;
/// How many are remembered. Whoever has more is told some of them again.
const REMEMBERED: usize = 1000;

/// What follows from a trouble.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// The library tries on by itself.
    Nothing,
    /// Nothing more can be read there.
    GivenUp(Place),
    /// What was to be read there is not there any more.
    OutOfRange(Place),
}

/// What was heard so far.
pub(super) struct Troubles {
    /// Whoever reads to an end, or a number of messages, is not kept waiting for what cannot come.
    strict: bool,
    named: HashSet<String>,
    /// In words, in the order in which they came.
    held: Vec<String>,
}

impl Troubles {
    pub(super) fn new(strict: bool) -> Self {
        Self { strict, named: HashSet::new(), held: Vec::new() }
    }

    /// Names a trouble, unless it was named before.
    ///
    /// # Errors
    /// [`Failure::Failed`] when nothing at all can be read any more.
    pub(super) fn hear(&mut self, trouble: Trouble, ears: &Ears) -> Result<Follows> {
        match (trouble.code, trouble.place) {
            (Code::Fatal, _) => Err(failed(format!("Kafka: {}", trouble.reason)).into()),
            (Code::AllBrokersDown, _) => {
                let _ = ears.away.begin(|| ears.notice("Kafka: all brokers are down; still trying".to_owned()));
                Ok(Follows::Nothing)
            }
            (Code::Authentication | Code::SaslAuthenticationFailed, _) => {
                let words = format!("Kafka: the login is refused: {}", innermost(&trouble.reason));
                if self.strict {
                    return Err(failed(words).into());
                }
                self.say(words, ears);
                Ok(Follows::Nothing)
            }
            (Code::AutoOffsetReset | Code::OffsetOutOfRange, Some(place)) => Ok(Follows::OutOfRange(place)),
            // Whoever watches the topics says what became of it.
            (Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition, place) => {
                Ok(place.filter(|_| self.strict).map_or(Follows::Nothing, |place| {
                    self.hold(format!("{}[{}]: the topic was deleted", place.topic, place.partition), ears);
                    Follows::GivenUp(place)
                }))
            }
            (code, Some(place)) if !is_passing(code) => {
                self.hold(unreadable(code, &place, &trouble.reason), ears);
                Ok(Follows::GivenUp(place))
            }
            (code, _) => {
                // Which of its addresses and states it was in changes with each attempt.
                let words = match code {
                    Code::Resolve => format!("Kafka: {}", innermost(&trouble.reason)),
                    _ => format!("Kafka: {code}; still trying"),
                };
                self.say(words, ears);
                Ok(Follows::Nothing)
            }
        }
    }

    /// Names what cannot be read, and remembers it.
    pub(super) fn hold(&mut self, words: String, ears: &Ears) {
        if self.say(format!("Kafka: {words}"), ears) {
            self.held.push(words);
        }
    }

    /// What has passed is said again when it comes back.
    pub(super) fn passed(&mut self) {
        self.named.clear();
        self.named.extend(self.held.iter().map(|words| format!("Kafka: {words}")));
    }

    /// # Errors
    /// [`Failure::Failed`] with what could not be read, where that is a failure.
    pub(super) fn verdict(&self) -> Result<()> {
        if !self.strict || self.held.is_empty() {
            return Ok(());
        }
        let mut words = self.held.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if self.held.len() > NAMED {
            words = format!("{words} and {} more", self.held.len() - NAMED);
        }
        Err(failed(format!("not everything could be read: {words}")).into())
    }

    fn say(&mut self, words: String, ears: &Ears) -> bool {
        if self.named.len() >= REMEMBERED {
            self.named.clear();
        }
        let is_new = self.named.insert(words.clone());
        if is_new {
            let _ = ears.notice(words);
        }
        is_new
    }
}

fn failed(cause: String) -> Failure {
    Failure::Failed { cause, remedy: Remedy::words("everything else was printed; the brokers' logs say more") }
}

fn unreadable(code: Code, place: &Place, reason: &str) -> String {
    let Place { topic, partition, offset } = place;
    match code {
        Code::TopicAuthorizationFailed => format!("{topic}: this login may not read it"),
        _ if *offset >= 0 => {
            format!("{topic}[{partition}]@{offset} cannot be read, nor anything after it: {reason}")
        }
        _ => format!("{topic}[{partition}] cannot be read: {reason}"),
    }
}

/// The reason without the library's prefix (`sasl_ssl://host:9093/bootstrap: `) and its afterword on state and time.
pub(super) fn innermost(reason: &str) -> &str {
    let is_broker = |prefix: &str| prefix.contains('/') && !prefix.contains(' ');
    let reason = reason.split_once(": ").filter(|(prefix, _)| is_broker(prefix)).map_or(reason, |(_, rest)| rest);
    reason.split_once(" (after ").map_or(reason, |(words, _)| words).trim_end_matches([':', ' '])
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::stream::{Gate, Told};

    fn ears(said: &Arc<Mutex<Vec<String>>>) -> Ears {
        let said = Arc::clone(said);
        let tell = move |told: Told<'_>| {
            if let Told::Notice(words) = told {
                said.lock().unwrap().push(words);
            }
            ControlFlow::Continue(())
        };
        Ears { wanted: Arc::new(|_| true), tell: Arc::new(tell), gate: Gate::new(false), away: Arc::default() }
    }

    fn trouble(code: Code, offset: i64) -> Trouble {
        let place = Place { topic: "a.b".to_owned(), partition: 2, offset };
        Trouble { code, place: Some(place), reason: "codec 0x7".to_owned() }
    }

    #[test]
    fn what_cannot_be_read_is_named_once_and_held_against_who_reads_to_an_end() {
        let said = Arc::default();
        let ears = ears(&said);
        for strict in [false, true] {
            let mut troubles = Troubles::new(strict);
            for _ in 0..3 {
                let follows = troubles.hear(trouble(Code::NotImplemented, 7), &ears).unwrap();
                assert!(matches!(follows, Follows::GivenUp(place) if place.offset == 7));
                troubles.passed();
            }
            assert_eq!(troubles.verdict().is_err(), strict);
        }
        let words = "Kafka: a.b[2]@7 cannot be read, nor anything after it: codec 0x7";
        assert_eq!(*said.lock().unwrap(), [words, words]);
    }

    #[test]
    fn what_passes_ends_nothing() {
        let said = Arc::default();
        let ears = ears(&said);
        let mut troubles = Troubles::new(true);
        for code in [Code::NotLeaderForPartition, Code::BrokerTransportFailure, Code::OperationTimedOut] {
            assert_eq!(troubles.hear(trouble(code, 7), &ears).unwrap(), Follows::Nothing);
        }
        assert!(troubles.verdict().is_ok());
        let gone = trouble(Code::OffsetOutOfRange, 7);
        assert!(matches!(troubles.hear(gone, &ears).unwrap(), Follows::OutOfRange(_)));
        let login = Trouble { code: Code::Authentication, place: None, reason: "x".to_owned() };
        assert!(troubles.hear(login, &ears).is_err(), "nothing can come any more");
    }

    #[test]
    fn reasons_are_read_as_the_library_says_them() {
        let login = "sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: Authentication failed \
                     (after 12ms in state AUTH_REQ)";
        assert_eq!(innermost(login), "SASL authentication error: Authentication failed");
        let name = "kafka-0.kafka:9092/0: Failed to resolve 'kafka-0.kafka:9092': Name or service not known \
                    (after 3ms in state CONNECT, 2 identical error(s) suppressed)";
        assert_eq!(innermost(name), "Failed to resolve 'kafka-0.kafka:9092': Name or service not known");
    }
}
