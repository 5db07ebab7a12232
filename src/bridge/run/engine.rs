//! The loop of an active bridge: messages in, records out, answers back when what came of a message is safe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Answer, Number, Seen, digest};
use super::effect::Effect;
use super::happening::Happening;
use super::identity::Identity;
use super::lane::Lane;
use super::metrics::Qos;
use super::notes::{Freed, Noted, Notes};
use super::parts::Parts;
use super::upkeep::Upkeep;
use super::uplink::{Moved, Uplink, wanted};
use crate::bridge::event_id::EventId;
use crate::bridge::journal::Finding;
use crate::bridge::map::Fate;
use crate::bridge::record::{Lane as Kind, Received};
use crate::kafka::cluster_id::cluster_id;
use crate::mqtt::inbox::{Delivery, Inbox, Incoming};

/// How often usage, owners and metrics are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often it is noted that the session is alive: the gap that is told when it is lost is right to so much.
const SEEN: Duration = Duration::from_secs(10);
/// How long Kafka is given to take what is in flight when the bridge ends; the journal has the rest.
const FAREWELL: Duration = Duration::from_millis(1500);
/// How long the journal is given to sync then.
const LAST_SYNC: Duration = Duration::from_millis(500);
/// How often a journal that is full says so to Mosquitto.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What the loop was woken by.
enum Turn {
    Stop,
    Link(Moved),
    Lane(Result<Option<Finding>>),
    Noted(Result<(Option<Noted>, Option<Freed>)>),
    Bound(Result<()>),
    Routes,
    Other,
}

/// See the module.
pub struct Engine {
    parts: Parts,
    identity: Identity,
    acks: Acks,
    lanes: [Lane; Kind::ALL.len()],
    uplink: Uplink,
    wake: Arc<Notify>,
    notes: Notes,
    /// None when the journal is known to be for this cluster.
    binding: Option<BoxFuture<'static, Result<()>>>,
    effects: Vec<Effect>,
    upkeep: Upkeep,
    next_tick: Instant,
    next_seen: Instant,
    next_sign: Instant,
}

impl Engine {
    /// # Errors
    /// When the identity cannot be read or kept, or threads cannot be started.
    pub fn new(parts: Parts) -> Result<Self> {
        let identity = Identity::ensure(parts.journal.directory())?;
        let wake = Arc::new(Notify::new());
        let lane = |kind| Lane::new(kind, &parts.kafka, &wake, &parts.journal);
        let lanes = [lane(Kind::Emergencies)?, lane(Kind::Alerts)?, lane(Kind::Rest)?];
        let now = Instant::now();
        let (journal, access) = (parts.journal.clone(), parts.kafka.clone());
        let binding: BoxFuture<'static, Result<()>> = Box::pin(async move {
            let id = cluster_id(&access).await?;
            tokio::task::spawn_blocking(move || journal.bind(&id)).await?
        });
        Ok(Self {
            identity,
            acks: Acks::default(),
            lanes,
            uplink: Uplink::new(parts.mqtt.clone()),
            wake,
            notes: Notes::default(),
            binding: Some(binding),
            effects: Vec::new(),
            upkeep: Upkeep::default(),
            next_tick: now,
            next_seen: now,
            next_sign: now,
            parts,
        })
    }

    /// Works until `stop` is cancelled, then sees to it that everything that was answered is with Kafka or in the journal.
    ///
    /// # Errors
    /// When the journal is for another cluster, is closed, or cannot be read, or the session cannot be noted.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            self.parts.pulse.beat();
            self.tick()?;
            self.read()?;
            self.work()?;
            match self.wait(&stop).await {
                Turn::Stop => break,
                Turn::Link(Moved::Opened(Ok(inbox))) => self.opened(inbox),
                Turn::Link(Moved::Opened(Err(error)) | Moved::Exchanged(Err(error))) => self.lost(&error),
                Turn::Lane(moved) => self.effects.extend(moved?.map(Effect::Damaged)),
                Turn::Noted(noted) => self.noted(noted?)?,
                Turn::Bound(bound) => {
                    bound?;
                    self.binding = None;
                    self.lanes.iter_mut().try_for_each(Lane::open)?;
                }
                Turn::Routes => self.connect(),
                Turn::Link(Moved::Exchanged(Ok(())) | Moved::Due) | Turn::Other => {}
            }
        }
        self.leave().await
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Turn {
        let Self { uplink, lanes, wake, notes, binding, upkeep, parts, .. } = self;
        let [emergencies, alerts, rest] = lanes;
        let due = self.next_tick.into();
        // In no order: each of them may have something to say all the time.
        tokio::select! {
            () = stop.cancelled() => Turn::Stop,
            moved = uplink.moved(upkeep.reads) => Turn::Link(moved),
            noted = notes.next() => Turn::Noted(noted),
            () = wake.notified() => Turn::Other,
            moved = emergencies.moved() => Turn::Lane(moved),
            moved = alerts.moved() => Turn::Lane(moved),
            moved = rest.moved() => Turn::Lane(moved),
            bound = if_any(binding) => Turn::Bound(bound),
            Ok(()) = parts.mapper.changed() => Turn::Routes,
            () = sleep_until(due) => Turn::Other,
        }
    }

    /// Takes everything in that was read.
    fn read(&mut self) -> Result<()> {
        while self.upkeep.reads {
            let Some(inbox) = self.uplink.inbox() else { return Ok(()) };
            match inbox.take() {
                Ok(Some(Incoming::Message(delivery))) => self.received(delivery)?,
                Ok(Some(Incoming::Released(packet))) => self.released(packet),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.lost(&error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn received(&mut self, delivery: Delivery) -> Result<()> {
        let Delivery { topic, payload, qos, retained, duplicate, packet, properties } = delivery;
        self.parts.metrics.received.get_or_create(&Qos { qos }).inc();
        let number = if qos == 0 {
            None
        } else {
            match self.acks.arrived(packet, qos == 2, digest(&topic, &payload)) {
                Seen::New(number) => Some(number),
                Seen::Before => return Ok(()),
            }
        };
        let at = Timestamp::now().as_millisecond();
        let received = Received { topic, payload, qos, retained, duplicate, at, properties };
        match number.filter(|_| qos == 2) {
            Some(number) => {
                let (receipts, session) = (self.parts.journal.receipts(), self.identity.session());
                self.notes.message(receipts, session, packet, &self.parts.mapper.borrow(), number, received);
            }
            None => self.deliver(&received, None, number)?,
        }
        Ok(())
    }

    fn noted(&mut self, (message, packet): (Option<Noted>, Option<Freed>)) -> Result<()> {
        if let Some(Noted { number, received, event_id }) = message {
            self.deliver(&received, Some(event_id), Some(number))?;
        }
        if let Some(Freed { connection, packet }) = packet
            && connection == self.uplink.number()
            && let Some(inbox) = self.uplink.inbox()
        {
            inbox.complete(packet)?;
        }
        Ok(())
    }

    fn deliver(&mut self, received: &Received, event_id: Option<EventId>, number: Option<Number>) -> Result<()> {
        let mapper = self.parts.mapper.borrow().clone();
        let mapped = match event_id {
            Some(event_id) => mapper.map(received, event_id),
            None => mapper.take(received),
        };
        match mapped.fate {
            Fate::Routed => {}
            Fate::Ignored(_) => {
                self.parts.metrics.ignored.inc();
            }
            Fate::Incomplete(reason) | Fate::DeadLetter(reason) => {
                self.parts.metrics.dead_letters.inc();
                (self.parts.tell)(Happening::DeadLetter { topic: received.topic.clone(), reason });
            }
        }
        for record in mapped.records {
            let lane = &mut self.lanes[record.lane as usize];
            if lane.is_spilling() && !self.upkeep.room.takes(record.lane, received.qos) {
                self.parts.metrics.dropped.get_or_create(&Qos { qos: received.qos }).inc();
                continue;
            }
            if let Some(number) = number {
                self.acks.add_part(number);
            }
            lane.accept(record, number, &self.parts.journal)?;
        }
        if let Some(number) = number {
            self.acks.part_safe(number);
        }
        Ok(())
    }

    fn released(&mut self, packet: u16) {
        self.acks.released(packet);
        let (receipts, session) = (self.parts.journal.receipts(), self.identity.session());
        self.notes.released(receipts, session, self.uplink.number(), packet);
    }

    /// Lets lanes work, and sees to what comes of it.
    fn work(&mut self) -> Result<()> {
        // All that is ready: a press must not wait for its turn behind a flood of telemetry.
        while let Some(message) = self.notes.take_message(self.parts.journal.receipts())? {
            self.noted((Some(message), None))?;
        }
        while let Some(packet) = self.notes.take_packet(self.parts.journal.receipts())? {
            self.noted((None, Some(packet)))?;
        }
        for lane in &mut self.lanes {
            lane.work(&self.parts.journal, &mut self.effects)?;
        }
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                self.effect(effect)?;
            }
        }
        self.answer()
    }

    fn effect(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Safe(number) => self.acks.part_safe(number),
            Effect::Delivered { lane, received } => {
                self.parts.metrics.delivered.get_or_create(&lane.into()).inc();
                let took = (Timestamp::now().as_millisecond() - received).max(0);
                self.parts.metrics.latency.observe(Duration::from_millis(took.unsigned_abs()).as_secs_f64());
            }
            Effect::Refused { record, reason, place } => {
                self.parts.metrics.dead_letters.inc();
                let topic = record.topic.to_string();
                let mapper = self.parts.mapper.borrow().clone();
                let letter = mapper.refused(record, &reason);
                (self.parts.tell)(Happening::DeadLetter { topic, reason });
                self.lanes[letter.lane as usize].bury(&letter, place, &self.parts.journal)?;
            }
            Effect::Buried(place) => {
                self.lanes[place.lane as usize].settle(place, &self.parts.journal, &mut self.effects);
            }
            Effect::Damaged(finding) => {
                self.parts.metrics.damaged.inc();
                (self.parts.tell)(Happening::JournalDamaged { finding });
            }
        }
        Ok(())
    }

    /// Says to Mosquitto what may be said.
    fn answer(&mut self) -> Result<()> {
        let Some(inbox) = self.uplink.inbox() else { return Ok(()) };
        while let Some(answer) = self.acks.next_answer() {
            match answer {
                Answer::PubAck(packet) => inbox.acknowledge(packet)?,
                Answer::PubRec(packet) => inbox.receive(packet)?,
            }
        }
        Ok(())
    }

    fn connect(&mut self) {
        let wanted = wanted(self.parts.mapper.borrow_and_update().routes());
        self.uplink.connect(self.identity.client_id(), wanted);
    }

    fn opened(&mut self, inbox: Box<Inbox>) {
        let now = Timestamp::now().as_millisecond();
        let resumed = inbox.session_present() && self.identity.expected().is_some();
        if resumed {
            self.acks.connected_again();
            self.identity.seen(now);
        } else {
            if let Some(since) = self.identity.expected() {
                self.parts.metrics.sessions_lost.inc();
                (self.parts.tell)(Happening::SessionLost { since, now });
            }
            self.identity.begin(now);
            self.acks.session_lost();
            // Whatever is noted later comes after it on disk.
            drop(self.parts.journal.receipts().begin_session(self.identity.session()));
        }
        self.uplink.up(inbox);
        self.parts.metrics.connected.set(1);
        (self.parts.tell)(Happening::Connected { resumed });
    }

    fn lost(&mut self, error: &anyhow::Error) {
        let (was_up, news) = self.uplink.lost(error);
        self.parts.metrics.reconnects.inc_by(u64::from(was_up));
        self.parts.metrics.connected.set(0);
        if let Some(cause) = news {
            (self.parts.tell)(Happening::Disconnected { cause });
        }
    }

    /// What is looked at now and then.
    fn tick(&mut self) -> Result<()> {
        if self.uplink.is_due() {
            self.connect();
        }
        let now = Instant::now();
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now + TICK;
        (self.parts.owners)(&self.parts.mapper.borrow());
        let Parts { journal, metrics, readiness, tell, .. } = &self.parts;
        let stopped = self.upkeep.look(journal, &self.lanes, metrics, tell);
        let away = format!("not connected to Mosquitto: {}", self.uplink.trouble());
        let Some(inbox) = self.uplink.inbox() else {
            readiness.set(Some(away));
            return Ok(());
        };
        if stopped.is_some() && self.next_sign <= now {
            self.next_sign = now + SIGN_OF_LIFE;
            inbox.sign_of_life()?;
        }
        readiness.set(stopped);
        if self.next_seen <= now {
            self.next_seen = now + SEEN;
            self.identity.seen(Timestamp::now().as_millisecond());
        }
        Ok(())
    }

    /// Nothing more is read; what was read comes to its end.
    async fn leave(mut self) -> Result<()> {
        self.upkeep.reads = false;
        let deadline = Instant::now() + FAREWELL;
        while self.is_busy() && Instant::now() < deadline {
            self.parts.pulse.beat();
            self.work()?;
            self.next_tick = Instant::now() + Duration::from_millis(50);
            match self.wait(&CancellationToken::new()).await {
                Turn::Link(Moved::Exchanged(Err(_))) => break,
                Turn::Noted(noted) => self.noted(noted?)?,
                Turn::Lane(moved) => drop(moved?),
                _ => {}
            }
        }
        for lane in &mut self.lanes {
            lane.spill_all(&self.parts.journal)?;
        }
        let deadline = Instant::now() + LAST_SYNC;
        while self.acks.waiting() > 0 && Instant::now() < deadline {
            self.work()?;
            let _ = timeout(Duration::from_millis(20), self.wait(&CancellationToken::new())).await;
        }
        self.work()?;
        self.uplink.leave().await;
        let journal = self.parts.journal;
        drop(self.lanes);
        tokio::task::spawn_blocking(move || journal.close()).await.context("closing the journal")
    }

    fn is_busy(&self) -> bool {
        self.lanes.iter().any(|lane| lane.in_flight() > 0) || self.notes.has_messages() || self.acks.waiting() > 0
    }
}

async fn if_any(future: &mut Option<BoxFuture<'static, Result<()>>>) -> Result<()> {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
