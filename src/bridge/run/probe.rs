//! The bridge's own press, now and then: since nobody presses for days, only this tells that a press would get to Kafka.
//!
//! It is published as the probe's device, on a connection of its own, comes back by the bridge's session and goes the way of
//! an emergency, into a topic that nobody reads.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::happening::Happening;
use super::health::Readiness;
use super::metrics::{Ended, Metrics};
use super::provable::has_topic;
use crate::message::now;
use crate::mqtt::sender::{Answer, Sender};
use crate::stack::device::{PROBE_PRESS, PROBE_PRESS_EXPIRY};
use crate::stack::topic::PROBE_TOPIC;
use crate::{kafka, mqtt};

/// How long a press may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long Mosquitto may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two connections, as of a device that presses.
const PAUSE: Duration = Duration::from_secs(1);
/// How long Mosquitto may take to end the connection when we leave.
const CLOSING: Duration = Duration::from_millis(500);
/// Presses of others that may be on their way to Kafka at once.
const OTHERS: usize = 10;

/// What a bridge needs to probe.
pub struct Probe {
    pub every: Duration,
    /// As the probe's device.
    pub access: mqtt::access::Access,
}

/// What the loop of the bridge says.
#[derive(Debug)]
enum Heard {
    Subscribed,
    /// The press has come by the session.
    Received,
    /// Kafka has acknowledged the press with this payload.
    Delivered(Bytes),
    Refused(Bytes, String),
}

/// Through which the loop of the bridge tells of presses.
pub struct Ear {
    /// The payload of the press that is under way.
    press: watch::Receiver<Bytes>,
    /// Of the one that is on its way to Kafka.
    in_lane: Option<Bytes>,
    /// Of others' that are.
    others: Vec<Bytes>,
    say: UnboundedSender<Heard>,
}

impl Ear {
    /// Of a bridge that does not press.
    pub fn alone() -> Self {
        Self::of(watch::channel(Bytes::new()).1, unbounded_channel().0)
    }

    fn of(press: watch::Receiver<Bytes>, say: UnboundedSender<Heard>) -> Self {
        Self { press, in_lane: None, others: Vec::new(), say }
    }

    /// The session brings what is published from now on.
    pub fn subscribed(&self) {
        self.tell(Heard::Subscribed);
    }

    /// Whether a press that has come is to go on its way. No second one of the bridge's own goes behind another that waits for
    /// Kafka, and few of others' do: through a long outage they would fill the journal. Others' are left where it is not
    /// known that Kafka has a topic for them.
    pub fn received(&mut self, payload: &Bytes, is_topic_known: bool) -> bool {
        if *self.press.borrow() != *payload {
            let is_taken = is_topic_known && self.others.len() < OTHERS;
            if is_taken {
                self.others.push(payload.clone());
            }
            return is_taken;
        }
        self.tell(Heard::Received);
        let is_free = self.in_lane.is_none();
        if is_free {
            self.in_lane = Some(payload.clone());
        }
        is_free
    }

    /// Kafka has acknowledged one.
    pub fn delivered(&mut self, payload: Option<&Bytes>) {
        if let Some(payload) = self.arrived(payload) {
            self.tell(Heard::Delivered(payload));
        }
    }

    /// Kafka takes one on no account.
    pub fn refused(&mut self, payload: Option<&Bytes>, reason: String) {
        if let Some(payload) = self.arrived(payload) {
            self.tell(Heard::Refused(payload, reason));
        }
    }

    /// A part of the journal is lost, and with it perhaps the one that was on its way.
    pub fn may_be_lost(&mut self) {
        self.in_lane = None;
        self.others.clear();
    }

    /// None where it is of a bridge before this one.
    fn arrived(&mut self, payload: Option<&Bytes>) -> Option<Bytes> {
        let own = self.in_lane.take_if(|in_lane| Some(&*in_lane) == payload);
        own.or_else(|| {
            let at = self.others.iter().position(|other| Some(other) == payload)?;
            Some(self.others.swap_remove(at))
        })
    }

    fn tell(&self, heard: Heard) {
        // Nobody listens any more when the bridge ends.
        let _ = self.say.send(heard);
    }
}

/// Where it is said how probes end.
pub struct Report {
    metrics: Arc<Metrics>,
    readiness: Readiness,
    tell: Arc<dyn Fn(Happening) + Send + Sync>,
    /// Whether the last one failed, which was told.
    fails: bool,
}

impl Report {
    pub fn new(metrics: Arc<Metrics>, readiness: Readiness, tell: Arc<dyn Fn(Happening) + Send + Sync>) -> Self {
        Self { metrics, readiness, tell, fails: false }
    }

    fn begin(&self) {
        for ended in [Ended::DELIVERED, Ended::FAILED] {
            drop(self.metrics.probes.get_or_create(&ended));
        }
    }

    fn delivered(&mut self, took: Duration) {
        self.metrics.probes.get_or_create(&Ended::DELIVERED).inc();
        self.metrics.probe_latency.observe(took.as_secs_f64());
        self.metrics.last_probe.set(Duration::from_millis(now().unsigned_abs()).as_secs_f64());
        self.readiness.set_probe(None);
        if std::mem::take(&mut self.fails) {
            (self.tell)(Happening::ProbeWorks { took });
        }
    }

    fn failed(&mut self, cause: String) {
        self.metrics.probes.get_or_create(&Ended::FAILED).inc();
        self.readiness.set_probe(Some(format!("the probe fails: {cause}")));
        if !std::mem::replace(&mut self.fails, true) {
            (self.tell)(Happening::ProbeFails { cause });
        }
    }
}

/// A press that is under way.
struct Press {
    payload: Bytes,
    /// When it was first published.
    since: Option<Instant>,
    stage: Stage,
}

/// How far it came.
enum Stage {
    /// Mosquitto has not taken it: why not, where that is known.
    Unpublished(Option<String>),
    Published,
    Received,
}

impl Press {
    fn new() -> Self {
        let payload = format!(r#"{{"probe":"{:032x}"}}"#, u128::from_ne_bytes(crate::secrets::random()));
        Self { payload: payload.into(), since: None, stage: Stage::Unpublished(None) }
    }

    fn published(&mut self) {
        if matches!(self.stage, Stage::Unpublished(_)) {
            self.stage = Stage::Published;
        }
    }

    /// Why it has not arrived.
    fn late(self) -> String {
        let within = DEADLINE.as_secs();
        match self.stage {
            Stage::Unpublished(Some(cause)) => cause,
            Stage::Unpublished(None) => format!("Mosquitto has not acknowledged it within {within} s"),
            Stage::Published => format!("Mosquitto has it, and has not sent it to the bridge within {within} s"),
            Stage::Received => format!("Kafka has not acknowledged it within {within} s"),
        }
    }
}

/// Presses for as long as the bridge is the active one.
pub struct Prober {
    probe: Probe,
    kafka: kafka::access::Access,
    report: Report,
    press: watch::Sender<Bytes>,
    heard: UnboundedReceiver<Heard>,
    connection: Option<Sender<Bytes>>,
    /// A press for a topic that is not there would have the lane's producer start again.
    is_topic_known: bool,
}

impl Prober {
    /// With what the loop of the bridge tells it by.
    pub fn new(probe: Probe, kafka: kafka::access::Access, report: Report) -> (Self, Ear) {
        let (press, pressed) = watch::channel(Bytes::new());
        let (say, heard) = unbounded_channel();
        let prober = Self { probe, kafka, report, press, heard, connection: None, is_topic_known: false };
        (prober, Ear::of(pressed, say))
    }

    /// Until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
        if let Some(connection) = self.connection {
            // How the server takes the farewell changes nothing.
            let _ = connection.close(CLOSING).await;
        }
    }

    async fn work(&mut self) {
        self.report.begin();
        // A bridge that never gets so far has its first one fail.
        let _ = timeout(DEADLINE, self.subscribed()).await;
        loop {
            let begun = Instant::now();
            let mut press = Press::new();
            self.press.send_replace(press.payload.clone());
            match timeout(DEADLINE, self.deliver(&mut press)).await {
                Ok(Ok(took)) => self.report.delivered(took),
                Ok(Err(cause)) => self.report.failed(cause),
                Err(_) => {
                    if matches!(press.stage, Stage::Unpublished(_)) {
                        self.connection = None;
                    }
                    self.report.failed(press.late());
                }
            }
            let every = if self.report.fails { self.probe.every.min(DEADLINE) } else { self.probe.every };
            self.rest(begun + every).await;
        }
    }

    async fn subscribed(&mut self) {
        while !matches!(self.heard.recv().await, Some(Heard::Subscribed) | None) {}
    }

    /// How long it took, or why Kafka does not take it. On a connection that is lost, it waits for another one, as devices do.
    async fn deliver(&mut self, press: &mut Press) -> Result<Duration, String> {
        self.find_topic().await?;
        loop {
            match self.attempt(press).await {
                Ok(delivered) => return delivered,
                Err(error) => {
                    self.connection = None;
                    press.stage = Stage::Unpublished(Some(format!("{error:#}")));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn find_topic(&mut self) -> Result<(), String> {
        if !self.is_topic_known {
            self.is_topic_known = has_topic(&self.kafka).await.map_err(|error| format!("{error:#}"))?;
        }
        if !self.is_topic_known {
            return Err(format!("Kafka has no topic {PROBE_TOPIC}"));
        }
        Ok(())
    }

    /// An error is the connection's.
    async fn attempt(&mut self, press: &mut Press) -> Result<Result<Duration, String>> {
        if self.connection.is_none() {
            let opened = Sender::open(&self.probe.access, None, PATIENCE).await?;
            self.connection = Some(opened.expiring(PROBE_PRESS_EXPIRY));
        }
        let connection = self.connection.as_mut().context("it is there")?;
        let text = String::from_utf8_lossy(&press.payload).into_owned();
        let since = *press.since.get_or_insert_with(Instant::now);
        connection.publish(PROBE_PRESS.to_owned(), 2, text, press.payload.clone())?;
        loop {
            while let Some((payload, answer)) = connection.answer()? {
                match answer {
                    Answer::Acknowledged if payload == press.payload => press.published(),
                    Answer::Acknowledged => {}
                    Answer::Refused(reason) => bail!("Mosquitto refuses it: {reason}"),
                }
            }
            tokio::select! {
                moved = connection.exchange() => moved?,
                Some(heard) = self.heard.recv() => match heard {
                    Heard::Received => press.stage = Stage::Received,
                    Heard::Delivered(payload) if payload == press.payload => return Ok(Ok(since.elapsed())),
                    Heard::Refused(payload, reason) if payload == press.payload => {
                        self.is_topic_known = false;
                        return Ok(Err(format!("Kafka refuses it: {reason}")));
                    }
                    Heard::Subscribed | Heard::Delivered(_) | Heard::Refused(..) => {}
                },
            }
        }
    }

    /// Keeps the connection until the next press is due: at once, where Kafka takes one at last that had failed.
    async fn rest(&mut self, due: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                Some(heard) = self.heard.recv() => {
                    if self.report.fails && matches!(heard, Heard::Delivered(_)) {
                        return;
                    }
                }
                kept = keep(self.connection.as_mut()) => {
                    if kept.is_err() {
                        self.connection = None;
                    }
                }
            }
        }
    }
}

/// Until something has moved on a connection. Dropping the future loses nothing.
async fn keep(connection: Option<&mut Sender<Bytes>>) -> Result<()> {
    let Some(connection) = connection else { return std::future::pending().await };
    let due = connection.keep_alive_due();
    tokio::select! {
        moved = connection.exchange() => moved?,
        () = sleep_until(due) => connection.keep_alive().await?,
    }
    while connection.answer()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests;
