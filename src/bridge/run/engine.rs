//! The loop of an active bridge: messages in, records out, answers back when what came of a message is safe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::acks::{Number, Seen, digest};
use super::effect::Effect;
use super::happening::Happening;
use super::lane::Lane;
use super::mapping::{Done, Mapping, Task};
use super::metrics::Qos;
use super::notes::{Freed, Noted, Notes};
use super::parts::Parts;
use super::session::Session;
use super::upkeep::Upkeep;
use super::uplink::Moved;
use crate::bridge::journal::Finding;
use crate::bridge::map::Fate;
use crate::bridge::record::{Lane as Kind, Received};
use crate::kafka::cluster_id::cluster_id;
use crate::message::now;
use crate::mqtt::inbox::{Delivery, Incoming};
use crate::stack::device::PROBE_PRESS;

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
    Noted(Result<Noted>),
    Bound(Result<()>),
    Routes,
    Provable,
    Other,
}

/// See the module.
pub struct Engine {
    parts: Parts,
    session: Session,
    lanes: [Lane; Kind::ALL.len()],
    wake: Arc<Notify>,
    notes: Notes,
    mapping: Mapping,
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
        let wake = Arc::new(Notify::new());
        let lane = |kind| Lane::new(kind, &parts.kafka, &wake, &parts.journal);
        let lanes = [lane(Kind::Emergencies)?, lane(Kind::Alerts)?, lane(Kind::Rest)?];
        let begun = Instant::now();
        let (journal, access) = (parts.journal.clone(), parts.kafka.clone());
        let binding: BoxFuture<'static, Result<()>> = Box::pin(async move {
            let id = cluster_id(&access).await?;
            tokio::task::spawn_blocking(move || journal.bind(&id)).await?
        });
        Ok(Self {
            session: Session::new(&parts)?,
            lanes,
            notes: Notes::default(),
            mapping: Mapping::new(&wake),
            wake,
            binding: Some(binding),
            effects: Vec::new(),
            upkeep: Upkeep::default(),
            next_tick: begun,
            next_seen: begun,
            next_sign: begun,
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
                Turn::Link(Moved::Opened(Ok(inbox))) => self.session.opened(inbox, &self.parts),
                Turn::Link(Moved::Opened(Err(error)) | Moved::Exchanged(Err(error))) => {
                    self.session.lost(&error, &self.parts);
                }
                Turn::Lane(moved) => self.effects.extend(moved?.map(Effect::Damaged)),
                Turn::Noted(noted) => self.noted(noted?)?,
                Turn::Bound(bound) => {
                    bound?;
                    self.binding = None;
                    self.lanes.iter_mut().try_for_each(Lane::open)?;
                }
                Turn::Routes => self.session.follow(&mut self.parts),
                Turn::Provable => self.session.adjust(&self.parts),
                Turn::Link(Moved::Exchanged(Ok(())) | Moved::Due) | Turn::Other => {}
            }
        }
        self.leave().await
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Turn {
        let Self { session, lanes, wake, notes, binding, upkeep, parts, .. } = self;
        let [emergencies, alerts, rest] = lanes;
        let due = self.next_tick.into();
        // In no order: each of them may have something to say all the time.
        tokio::select! {
            () = stop.cancelled() => Turn::Stop,
            moved = session.uplink.moved(upkeep.reads) => Turn::Link(moved),
            noted = notes.next() => Turn::Noted(noted),
            () = wake.notified() => Turn::Other,
            moved = emergencies.moved() => Turn::Lane(moved),
            moved = alerts.moved() => Turn::Lane(moved),
            moved = rest.moved() => Turn::Lane(moved),
            bound = if_any(binding) => Turn::Bound(bound),
            Ok(()) = parts.mapper.changed() => Turn::Routes,
            () = parts.provable.found() => Turn::Provable,
            () = sleep_until(due) => Turn::Other,
        }
    }

    /// Takes everything in that was read.
    fn read(&mut self) -> Result<()> {
        while self.upkeep.reads {
            let Some(inbox) = self.session.uplink.inbox() else { return Ok(()) };
            match inbox.take() {
                Ok(Some(Incoming::Message(delivery))) => self.received(delivery)?,
                Ok(Some(Incoming::Released(packet))) => self.released(packet),
                Ok(Some(Incoming::Changed)) => self.session.changed(&self.parts),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.session.lost(&error, &self.parts);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn received(&mut self, delivery: Delivery) -> Result<()> {
        let Delivery { topic, payload, qos, retained, duplicate, packet, properties, subscriptions } = delivery;
        let is_probe = topic == PROBE_PRESS;
        if !is_probe {
            self.parts.metrics.received.get_or_create(&Qos { qos }).inc();
        }
        let number = if qos == 0 {
            None
        } else {
            match self.session.acks.arrived(packet, qos == 2, digest(&topic, &payload)) {
                Seen::New(number) => Some(number),
                Seen::Before => return Ok(()),
            }
        };
        if self.session.identity.subscriptions().have_another(&subscriptions, &topic) {
            self.parts.metrics.ignored.inc();
            self.decided(number);
            return Ok(());
        }
        if is_probe && !self.parts.probe.received(&payload, self.parts.provable.is_known()) {
            self.decided(number);
            return Ok(());
        }
        let received = Received { topic, payload, qos, retained, duplicate, at: now(), properties };
        let task = Task::new(received, number, self.parts.mapper.borrow().clone());
        if qos < 2 {
            return self.mapping.put(task);
        }
        let (receipts, session) = (self.parts.journal.receipts(), self.session.identity.session());
        self.notes.message(receipts, session, packet, task);
        Ok(())
    }

    fn released(&mut self, packet: u16) {
        self.session.acks.released(packet);
        let (receipts, session) = (self.parts.journal.receipts(), self.session.identity.session());
        self.notes.released(receipts, session, self.session.uplink.number(), packet);
    }

    fn noted(&mut self, noted: Noted) -> Result<()> {
        match noted {
            Noted::Message(task) => self.mapping.put(task),
            Noted::Packet(packet) => self.freed(&packet),
        }
    }

    fn freed(&mut self, freed: &Freed) -> Result<()> {
        let uplink = &mut self.session.uplink;
        let is_of_this_connection = freed.connection == uplink.number();
        uplink.inbox().filter(|_| is_of_this_connection).map_or(Ok(()), |inbox| inbox.complete(freed.packet))
    }

    fn mapped(&mut self, Done { task, mapped }: Done) -> Result<()> {
        let Task { received, number, .. } = task;
        match mapped.fate {
            Fate::Routed => {}
            Fate::Ignored(_) => {
                self.parts.metrics.ignored.inc();
            }
            Fate::Incomplete(reason) | Fate::DeadLetter(reason) => {
                self.parts.metrics.dead_letters.inc();
                (self.parts.tell)(Happening::DeadLetter { topic: received.topic, reason });
            }
        }
        for record in mapped.records {
            let lane = &mut self.lanes[record.lane as usize];
            if lane.is_spilling() && !self.upkeep.room.takes(record.lane, received.qos) {
                self.parts.metrics.dropped.get_or_create(&Qos { qos: received.qos }).inc();
                continue;
            }
            if let Some(number) = number {
                self.session.acks.add_part(number);
            }
            lane.accept(record, number, &self.parts.journal)?;
        }
        self.decided(number);
        Ok(())
    }

    /// A message counts as a part of itself until it is known what comes of it.
    fn decided(&mut self, number: Option<Number>) {
        if let Some(number) = number {
            self.session.acks.part_safe(number);
        }
    }

    /// Lets lanes work, and sees to what comes of it.
    fn work(&mut self) -> Result<()> {
        // All that is ready: a press must not wait for its turn behind a flood of telemetry.
        while let Some(message) = self.notes.take_message(self.parts.journal.receipts())? {
            self.mapping.put(message)?;
        }
        while let Some(packet) = self.notes.take_packet(self.parts.journal.receipts())? {
            self.freed(&packet)?;
        }
        while let Some(done) = self.mapping.take() {
            self.mapped(done)?;
        }
        for lane in &mut self.lanes {
            lane.work(&self.parts.journal, &mut self.effects)?;
        }
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                self.effect(effect)?;
            }
        }
        self.session.answer()
    }

    fn effect(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Safe(number) => self.session.acks.part_safe(number),
            Effect::Delivered { lane, received } => {
                self.parts.metrics.delivered.get_or_create(&lane.into()).inc();
                let took = (now() - received).max(0);
                self.parts.metrics.latency.observe(Duration::from_millis(took.unsigned_abs()).as_secs_f64());
            }
            Effect::Probed(value) => self.parts.probe.delivered(value.as_ref()),
            Effect::Refused { record, reason, place } if record.is_probe() => {
                self.parts.probe.refused(record.value.as_ref(), reason);
                self.parts.provable.doubt();
                self.lanes[place.lane as usize].settle(place, &self.parts.journal, &mut self.effects);
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
                self.parts.probe.may_be_lost();
                (self.parts.tell)(Happening::JournalDamaged { finding });
            }
        }
        Ok(())
    }

    /// What is looked at now and then.
    fn tick(&mut self) -> Result<()> {
        if self.session.uplink.is_due() {
            self.session.connect(&mut self.parts);
        }
        let moment = Instant::now();
        if moment < self.next_tick {
            return Ok(());
        }
        self.next_tick = moment + TICK;
        (self.parts.owners)(&self.parts.mapper.borrow());
        let Parts { journal, metrics, readiness, tell, .. } = &self.parts;
        let stopped = self.upkeep.look(journal, &self.lanes, metrics, tell);
        let away = format!("not connected to Mosquitto: {}", self.session.uplink.trouble());
        let Some(inbox) = self.session.uplink.inbox() else {
            readiness.set(Some(away));
            return Ok(());
        };
        if stopped.is_some() && self.next_sign <= moment {
            self.next_sign = moment + SIGN_OF_LIFE;
            inbox.sign_of_life()?;
        }
        readiness.set(stopped);
        if self.next_seen <= moment {
            self.next_seen = moment + SEEN;
            self.session.identity.seen(now());
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
        while self.session.acks.waiting() > 0 && Instant::now() < deadline {
            self.work()?;
            let _ = timeout(Duration::from_millis(20), self.wait(&CancellationToken::new())).await;
        }
        self.work()?;
        self.session.uplink.leave().await;
        let journal = self.parts.journal;
        drop(self.lanes);
        tokio::task::spawn_blocking(move || journal.close()).await.context("closing the journal")
    }

    fn is_busy(&self) -> bool {
        self.lanes.iter().any(|lane| lane.in_flight() > 0)
            || self.notes.has_messages()
            || self.mapping.is_busy()
            || self.session.acks.waiting() > 0
    }
}

async fn if_any(future: &mut Option<BoxFuture<'static, Result<()>>>) -> Result<()> {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
