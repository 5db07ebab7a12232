//! From whoever has messages to both brokers, and what became of each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc::{channel, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::input::{Input, Routes};
use crate::event::Report;
use crate::kafka::produce::{self, Pace};
use crate::mqtt::publish;
use crate::reach::Reach;
use crate::sending::ledger::Ranges;
use crate::sending::{Batch, Batches, Ledger, next_batch};
use crate::shutdown::Shutdown;

/// Batches between whoever has messages and a publisher.
const QUEUE: usize = 16;
/// How long publishers may take to end after an interruption: longer than they wait for acknowledgements, or nobody
/// would name what is under way.
const FAREWELL: Duration = Duration::from_millis(1500);

/// Where the messages come from.
pub enum Supply {
    /// A payload or stdin.
    Input(Input),
    /// These. Each is known in what came of them by its number.
    Messages { kafka: Batch, mqtt: Batch },
}

/// How patiently messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a message may wait for its acknowledgement.
    pub patience: Duration,
    /// How long a message may wait for others to travel with.
    pub linger: Duration,
}

/// What became of the messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many there were; not known, and 0, where a signal came.
    pub total: u64,
    /// How many were acknowledged as their QoS asks.
    pub accepted: u64,
    /// Which were not, by reason.
    pub refused: Vec<(String, Ranges)>,
    /// Partition and offset of the last one that Kafka acknowledged.
    pub place: (i32, i64),
    /// Whether a signal ended it.
    pub interrupted: bool,
}

impl Sent {
    /// How many were not acknowledged. What was neither acknowledged nor refused would be a defect of ours, and no success.
    pub fn lost(&self) -> u64 {
        let refused: u64 = self.refused.iter().map(|(_, ranges)| ranges.count()).sum();
        refused + self.total.saturating_sub(self.accepted + refused)
    }
}

/// Sends all that is supplied, and waits until each message is acknowledged or refused.
///
/// # Errors
/// When the supply cannot be read, a broker is needed that `to` does not name, or one cannot be reached at all. What became
/// of single messages is not an error.
pub async fn send(to: &Reach, supply: Supply, terms: Terms, report: Report<'_>, shutdown: &Shutdown) -> Result<Sent> {
    let ledger = Arc::new(Ledger::default());
    let total = deliver(to, supply, terms, &ledger, report, shutdown).await?;
    let interrupted = shutdown.is_requested();
    let (accepted, refused, place) = (ledger.accepted(), ledger.refused(), ledger.place());
    Ok(Sent { total, accepted, refused, place, interrupted })
}

/// Moves everything to the brokers; how many messages there were.
async fn deliver(
    to: &Reach,
    supply: Supply,
    terms: Terms,
    ledger: &Arc<Ledger>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<u64> {
    let stop = CancellationToken::new();
    // Whoever waits for it no more leaves no publisher behind.
    let _stopping = stop.clone().drop_guard();
    let (kafka, to_kafka) = channel(QUEUE);
    let (mqtt, to_mqtt) = channel(QUEUE);
    let (done, read) = tokio::sync::oneshot::channel();
    let (book, stopped) = (Arc::clone(ledger), stop.clone());
    let routes = Routes { kafka, mqtt };
    let hand_over = move || {
        let _ = done.send(supply.run(routes, &book, &stopped));
    };
    // A thread that nobody waits for: stdin cannot be told to stop.
    std::thread::Builder::new().name("input".to_owned()).spawn(hand_over).context("starting to read")?;
    let publishers = async {
        tokio::try_join!(
            to_brokers_kafka(to, to_kafka, ledger, terms, &stop),
            to_brokers_mqtt(to, to_mqtt, ledger, terms.patience, &stop, report),
        )
    };
    tokio::pin!(publishers);
    tokio::select! {
        sent = &mut publishers => sent.map(drop)?,
        () = shutdown.requested() => {
            stop.cancel();
            // Each has an end of its own to come to; one that cannot, as its server stands still, is left behind.
            if let Ok(ended) = tokio::time::timeout(FAREWELL, publishers).await {
                ended?;
            }
        }
    }
    if shutdown.is_requested() {
        return Ok(0);
    }
    read.await.context("reading messages ended early")?
}

impl Supply {
    /// Blocks its thread until everything is handed over.
    fn run(self, routes: Routes, ledger: &Ledger, stop: &CancellationToken) -> Result<u64> {
        match self {
            Self::Input(input) => input.run(routes, ledger, stop),
            Self::Messages { kafka, mqtt } => {
                let total = u64::try_from(kafka.len() + mqtt.len())?;
                for (batch, route) in [(kafka, &routes.kafka), (mqtt, &routes.mqtt)] {
                    if !batch.is_empty() {
                        // Where nobody takes them any more, the publisher says why.
                        let _ = route.blocking_send(batch);
                    }
                }
                Ok(total)
            }
        }
    }
}

async fn to_brokers_kafka(
    to: &Reach,
    mut batches: Batches,
    ledger: &Arc<Ledger>,
    terms: Terms,
    stop: &CancellationToken,
) -> Result<()> {
    let pace = Pace { patience: terms.patience, linger: terms.linger, codec: to.codec };
    match &to.kafka {
        Some(access) => produce::produce(access, batches, Arc::clone(ledger), pace, stop.clone()).await,
        None if next_batch(&mut batches, stop).await.is_some() => Err(Reach::no_kafka()),
        None => Ok(()),
    }
}

async fn to_brokers_mqtt(
    to: &Reach,
    mut batches: Batches,
    ledger: &Arc<Ledger>,
    patience: Duration,
    stop: &CancellationToken,
    report: Report<'_>,
) -> Result<()> {
    let Some(access) = to.mqtt.clone() else {
        return if next_batch(&mut batches, stop).await.is_some() { Err(Reach::no_mqtt()) } else { Ok(()) };
    };
    let (ledger, stop) = (Arc::clone(ledger), stop.clone());
    let (say, mut said) = unbounded_channel();
    // On a runtime of one thread: with several, every acknowledgement wakes one thread to wake another.
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing MQTT")?;
        let report = |event| drop(say.send(event));
        let published = runtime.block_on(publish::publish(&access, batches, &ledger, patience, &stop, &report));
        // A name server that does not answer is not waited for.
        runtime.shutdown_background();
        published
    };
    let published = tokio::task::spawn_blocking(work);
    while let Some(event) = said.recv().await {
        report(event);
    }
    published.await.context("running the MQTT publisher")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_speaks_for_counts_as_lost() {
        let mut ranges = Ranges::default();
        ranges.push(2);
        let sent = Sent { total: 5, accepted: 3, refused: vec![("no rights".to_owned(), ranges)], ..Sent::default() };
        assert_eq!(sent.lost(), 2);
        assert_eq!(Sent { accepted: 5, refused: Vec::new(), ..sent }.lost(), 0);
    }
}
