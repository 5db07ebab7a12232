//! Back to people: what services write of an emergency goes to `emergency/{userId}/status`, for as long as this bridge is the
//! active one. The promise is the bridge's own, the other way round: Kafka is told that a record was taken when Mosquitto
//! has acknowledged it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio_util::sync::CancellationToken;

use super::happening::Happening;
use super::metrics::Metrics;
use super::status_message::message;
use super::status_progress::Progress;
use crate::kafka::relay::{Place, Relay, Relayed};
use crate::mqtt::sender::{Answer, Sender};
use crate::stack::leaf::EMERGENCY_STATUS;
use crate::{kafka, mqtt};

/// What services write of emergencies that are under way.
pub const TOPICS: [&str; 2] = ["emergency.updated", "emergency.resolved"];
/// Under this name Kafka keeps how far Mosquitto has acknowledged.
pub const GROUP: &str = "sosstack-bridge-status";
/// MQTT's "at least once".
const QOS: u8 = 1;
/// How long Mosquitto may take to let it in, and to acknowledge what is under way at the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What it works with.
#[derive(Clone)]
pub struct Ends {
    pub mqtt: mqtt::access::Access,
    pub kafka: kafka::access::Access,
    pub metrics: Arc<Metrics>,
    pub tell: Arc<dyn Fn(Happening) + Send + Sync>,
}

/// Publishes until `stop` is cancelled. What cannot be published waits in Kafka; nothing else of the bridge waits for it.
pub async fn run(ends: Ends, stop: CancellationToken) {
    let mut flow = Flow::Unknown;
    loop {
        // What the last attempt had under way is read and published again.
        let attempt = stop.child_token();
        let _ends_the_reader = attempt.clone().drop_guard();
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = Publisher::open(&ends, &attempt) => opened,
        };
        let ended = match opened {
            Ok(publisher) => publisher.run(&mut flow, &stop).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => return,
            Err(error) => flow.stands(&ends, &error, Flow::Held),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// What was told last: each change is told once, however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Unknown,
    Flows,
    Held,
    /// A new connection proves nothing.
    Refused,
}

impl Flow {
    fn stands(&mut self, ends: &Ends, error: &anyhow::Error, how: Self) {
        if matches!(self, Self::Unknown | Self::Flows) {
            (ends.tell)(Happening::StatusHeld { cause: format!("{error:#}") });
            *self = how;
        }
    }

    fn goes_on(&mut self, ends: &Ends) {
        if *self != Self::Flows {
            (ends.tell)(Happening::StatusFlows);
            *self = Self::Flows;
        }
    }
}

struct Publisher<'a> {
    ends: &'a Ends,
    sender: Sender<Place>,
    relay: Relay,
    progress: Progress,
}

impl<'a> Publisher<'a> {
    async fn open(ends: &'a Ends, stop: &CancellationToken) -> Result<Self> {
        let sender = Sender::open(&ends.mqtt, None, PATIENCE).await?;
        let relay = Relay::begin(&ends.kafka, GROUP, &TOPICS, stop.clone()).await?;
        Ok(Self { ends, sender, relay, progress: Progress::default() })
    }

    async fn run(mut self, flow: &mut Flow, stop: &CancellationToken) -> Result<()> {
        if *flow != Flow::Refused {
            flow.goes_on(self.ends);
        }
        while !stop.is_cancelled() {
            self.answers(flow)?;
            let due = self.sender.keep_alive_due();
            let has_room = self.sender.has_room(QOS);
            tokio::select! {
                () = stop.cancelled() => {}
                exchanged = self.sender.exchange() => exchanged?,
                record = self.relay.next(), if has_room => match record {
                    Some(record) => self.publish(record?),
                    None => bail!("the Kafka reader has ended"),
                },
                () = tokio::time::sleep_until(due) => self.sender.keep_alive().await?,
            }
        }
        self.close(flow).await;
        Ok(())
    }

    /// What is not acknowledged in time is not committed, and comes again.
    async fn close(mut self, flow: &mut Flow) {
        let finished = tokio::time::timeout(PATIENCE, async {
            while !self.sender.is_idle() {
                self.sender.exchange().await?;
                self.answers(flow)?;
            }
            anyhow::Ok(())
        });
        if matches!(finished.await, Ok(Ok(()))) {
            let _ = self.sender.close(PATIENCE).await;
        }
        self.relay.close(PATIENCE).await;
    }

    fn publish(&mut self, Relayed { place, value }: Relayed) {
        self.progress.begin(&place);
        let reason = match message(value) {
            Ok(message) => match self.sender.publish(message.topic, QOS, message.payload, place.clone()) {
                Ok(_) => return,
                Err(error) => format!("{error:#}"),
            },
            Err(reason) => reason.to_owned(),
        };
        // It stays in Kafka, where it can be read.
        self.ends.metrics.status_skipped.inc();
        let Place { topic, partition, offset } = &place;
        let record = format!("{topic}, partition {partition}, offset {offset}");
        (self.ends.tell)(Happening::StatusSkipped { record, reason });
        self.taken(&place);
    }

    fn answers(&mut self, flow: &mut Flow) -> Result<()> {
        while let Some((place, answer)) = self.sender.answer()? {
            if let Answer::Refused(reason) = answer {
                let refused = anyhow!("Mosquitto refuses what is for {}: {reason}", EMERGENCY_STATUS.filter());
                flow.stands(self.ends, &refused, Flow::Refused);
                return Err(refused);
            }
            self.ends.metrics.status_delivered.inc();
            self.taken(&place);
            flow.goes_on(self.ends);
        }
        Ok(())
    }

    fn taken(&mut self, place: &Place) {
        if let Some(next) = self.progress.taken(place) {
            self.relay.commit(next);
        }
    }
}
