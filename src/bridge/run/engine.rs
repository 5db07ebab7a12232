//! The loop of an active bridge: messages in, records out, answers back when what came of a message is safe.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::acks::{Acks, Answer, Number, Seen};
use super::counts::Gauges;
use super::happening::Happening;
use super::health::Readiness;
use super::identity::Identity;
use super::lane::{Effect, Lane};
use super::metrics::{Metrics, Qos};
use super::watchdog::Pulse;
use crate::bridge::event_id::EventId;
use crate::bridge::journal::{Digest, Journal, Room};
use crate::bridge::map::{Fate, Mapper};
use crate::bridge::record::{Lane as Kind, Received};
use crate::kafka;
use crate::mqtt;
use crate::mqtt::backoff::Backoff;
use crate::mqtt::inbox::{Delivery, Inbox, Incoming, Wanted};
use crate::mqtt::link::Session;

/// How long a session outlives its connection, in seconds: 7 days.
const EXPIRY: u32 = 7 * 24 * 60 * 60;
/// How long Mosquitto may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often usage, owners and metrics are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often it is noted that the session is alive: the gap that is told when it is lost is right to so much.
const SEEN: Duration = Duration::from_secs(10);
/// A connection that lasted so long is worth another one at once.
const LASTING: Duration = Duration::from_secs(5);
/// How long Kafka is given to take what is in flight when the bridge ends; the journal has the rest.
const FAREWELL: Duration = Duration::from_millis(1500);
/// How long the journal is given to sync then.
const LAST_SYNC: Duration = Duration::from_millis(500);
/// How long the server may take to end the connection when we leave.
const CLOSING: Duration = Duration::from_millis(500);
/// Bytes that wait for a journal that cannot be written: no more messages are read beyond that.
const PENDING: u64 = 16 << 20;
/// How often a journal that is full says so to Mosquitto.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What a bridge works with.
pub struct Parts {
    pub mqtt: mqtt::access::Access,
    pub kafka: kafka::access::Access,
    /// Changes when routes are reloaded.
    pub mapper: watch::Receiver<Arc<Mapper>>,
    pub journal: Journal,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    pub pulse: Pulse,
    /// Reads who owns which device; called now and then.
    pub owners: Box<dyn FnMut(&Mapper) + Send>,
    /// Is told what happens.
    pub tell: Arc<dyn Fn(Happening) + Send + Sync>,
}

enum Connection {
    Up { inbox: Box<Inbox>, since: Instant },
    Opening(BoxFuture<'static, Result<Inbox>>),
    Down { until: Instant },
}

/// What the loop was woken by.
enum Turn {
    Stop,
    Opened(Result<Inbox>),
    Moved(Result<()>),
    Lane(Result<Option<crate::bridge::journal::Finding>>),
    Remembered(Result<Pending>),
    Forgotten(Result<Release>),
    Bound(Result<()>),
    Routes,
    Other,
}

/// A message at QoS 2 that is noted before anything comes of it.
struct Pending {
    number: Number,
    received: Received,
    event_id: EventId,
}

/// A packet id that is free again when that is noted.
struct Release {
    connection: u64,
    packet: u16,
}

/// See the module.
pub struct Engine {
    parts: Parts,
    identity: Identity,
    acks: Acks,
    lanes: [Lane; Kind::ALL.len()],
    connection: Connection,
    /// Counts connections: what is owed to one is not paid to another.
    connections: u64,
    backoff: Backoff,
    wake: Arc<Notify>,
    remembering: FuturesOrdered<BoxFuture<'static, Result<Pending>>>,
    forgetting: FuturesOrdered<BoxFuture<'static, Result<Release>>>,
    /// None when the journal is known to be for this cluster.
    binding: Option<BoxFuture<'static, Result<()>>>,
    effects: Vec<Effect>,
    room: Room,
    reads: bool,
    gauges: Gauges,
    next_tick: Instant,
    next_seen: Instant,
    next_sign: Instant,
    said: String,
    had_problem: bool,
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
            let id = kafka::cluster_id::cluster_id(&access).await?;
            tokio::task::spawn_blocking(move || journal.bind(&id)).await?
        });
        Ok(Self {
            identity,
            acks: Acks::default(),
            lanes,
            connection: Connection::Down { until: now },
            connections: 0,
            backoff: Backoff::default(),
            wake,
            remembering: FuturesOrdered::new(),
            forgetting: FuturesOrdered::new(),
            binding: Some(binding),
            effects: Vec::new(),
            room: Room::Plenty,
            reads: true,
            gauges: Gauges::default(),
            next_tick: now,
            next_seen: now,
            next_sign: now,
            said: String::new(),
            had_problem: false,
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
                Turn::Opened(opened) => self.opened(opened).await?,
                Turn::Moved(Err(error)) => self.lost(&error),
                Turn::Lane(moved) => self.effects.extend(moved?.map(Effect::Damaged)),
                Turn::Remembered(pending) => self.remembered(&pending?)?,
                Turn::Forgotten(release) => self.forgotten(&release?)?,
                Turn::Bound(bound) => {
                    bound?;
                    self.binding = None;
                    self.lanes.iter_mut().try_for_each(Lane::open)?;
                }
                Turn::Routes => self.connect(),
                Turn::Moved(Ok(())) | Turn::Other => {}
            }
        }
        self.leave().await
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Turn {
        let Self { connection, lanes, wake, remembering, forgetting, binding, reads, parts, .. } = self;
        let [emergencies, alerts, rest] = lanes;
        let due = self.next_tick.into();
        // In no order: each of them may have something to say all the time.
        tokio::select! {
            () = stop.cancelled() => Turn::Stop,
            turn = exchange(connection, *reads) => turn,
            Some(pending) = remembering.next(), if !remembering.is_empty() => Turn::Remembered(pending),
            Some(release) = forgetting.next(), if !forgetting.is_empty() => Turn::Forgotten(release),
            () = wake.notified() => Turn::Other,
            moved = emergencies.moved() => Turn::Lane(moved),
            moved = alerts.moved() => Turn::Lane(moved),
            moved = rest.moved() => Turn::Lane(moved),
            bound = async { match binding { Some(binding) => binding.await, None => std::future::pending().await } } => Turn::Bound(bound),
            Ok(()) = parts.mapper.changed() => Turn::Routes,
            () = sleep_until(due) => Turn::Other,
        }
    }

    /// Takes everything in that was read.
    fn read(&mut self) -> Result<()> {
        while self.reads {
            let Connection::Up { inbox, .. } = &mut self.connection else { return Ok(()) };
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
            Some(number) => self.remember(number, packet, received),
            None => self.deliver(&received, None, number)?,
        }
        Ok(())
    }

    /// Notes a message at QoS 2 before anything comes of it: sent again after a kill, it is the same event.
    fn remember(&mut self, number: Number, packet: u16, received: Received) {
        let receipts = self.parts.journal.receipts();
        let digest = Digest::of(&received.topic, &received.payload);
        let known = receipts.recall(self.identity.session(), packet, &digest).and_then(|id| id.parse().ok());
        let mapper = self.parts.mapper.borrow().clone();
        let event_id = known.map_or_else(|| mapper.event_id(&received), EventId::Stable);
        let noted = receipts.remember(self.identity.session(), packet, digest, &event_id.id().to_string());
        self.remembering.push_back(Box::pin(async move {
            noted.await?;
            Ok(Pending { number, received, event_id })
        }));
    }

    fn remembered(&mut self, pending: &Pending) -> Result<()> {
        self.deliver(&pending.received, Some(pending.event_id), Some(pending.number))
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
            if lane.is_spilling() && !self.room.takes(record.lane, received.qos) {
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
        let noted = self.parts.journal.receipts().forget(self.identity.session(), packet);
        let connection = self.connections;
        self.forgetting.push_back(Box::pin(async move {
            noted.await?;
            Ok(Release { connection, packet })
        }));
    }

    fn forgotten(&mut self, release: &Release) -> Result<()> {
        match &mut self.connection {
            Connection::Up { inbox, .. } if release.connection == self.connections => inbox.complete(release.packet),
            _ => Ok(()),
        }
    }

    /// Lets lanes work, and sees to what comes of it.
    fn work(&mut self) -> Result<()> {
        // All that is ready: a press must not wait for its turn behind a flood of telemetry.
        while let Some(Some(pending)) = self.remembering.next().now_or_never() {
            self.remembered(&pending?)?;
        }
        while let Some(Some(release)) = self.forgetting.next().now_or_never() {
            self.forgotten(&release?)?;
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
        let Connection::Up { inbox, .. } = &mut self.connection else { return Ok(()) };
        while let Some(answer) = self.acks.next_answer() {
            match answer {
                Answer::PubAck(packet) => inbox.acknowledge(packet)?,
                Answer::PubRec(packet) => inbox.receive(packet)?,
            }
        }
        Ok(())
    }

    fn connect(&mut self) {
        let (access, client_id) = (self.parts.mqtt.clone(), self.identity.client_id().to_owned());
        let subscriptions = self.parts.mapper.borrow_and_update().routes().subscriptions();
        let wanted = subscriptions.into_iter().map(|subscription| Wanted {
            filter: subscription.filter,
            qos: subscription.qos,
            retained: subscription.retained,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let session = Session { client_id, clean: false, expiry: EXPIRY };
        self.connection =
            Connection::Opening(Box::pin(async move { Inbox::open(&access, &session, &wanted, PATIENCE).await }));
    }

    async fn opened(&mut self, opened: Result<Inbox>) -> Result<()> {
        let inbox = match opened {
            Ok(inbox) => inbox,
            Err(error) => {
                self.lost(&error);
                return Ok(());
            }
        };
        self.connections += 1;
        let now = Timestamp::now().as_millisecond();
        let resumed = inbox.session_present() && self.identity.expected().is_some();
        if resumed {
            self.acks.connected_again();
            self.identity.seen(now)?;
        } else {
            if let Some(since) = self.identity.expected() {
                self.parts.metrics.sessions_lost.inc();
                (self.parts.tell)(Happening::SessionLost { since, now });
            }
            self.identity.begin(now)?;
            self.acks.session_lost();
            self.parts.journal.receipts().begin_session(self.identity.session()).await?;
        }
        self.connection = Connection::Up { inbox: Box::new(inbox), since: Instant::now() };
        self.said.clear();
        self.parts.metrics.connected.set(1);
        (self.parts.tell)(Happening::Connected { resumed });
        Ok(())
    }

    fn lost(&mut self, error: &anyhow::Error) {
        if let Connection::Up { since, .. } = &self.connection {
            self.parts.metrics.reconnects.inc();
            if since.elapsed() >= LASTING {
                self.backoff.reset();
            }
        }
        self.parts.metrics.connected.set(0);
        self.connection = Connection::Down { until: Instant::now() + self.backoff.pause() };
        let cause = format!("{error:#}");
        if cause != self.said {
            self.said.clone_from(&cause);
            (self.parts.tell)(Happening::Disconnected { cause });
        }
    }

    /// What is looked at now and then.
    fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        if let Connection::Down { until } = self.connection
            && until <= now
        {
            self.connect();
        }
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now + TICK;
        (self.parts.owners)(&self.parts.mapper.borrow());
        self.look_at_the_journal();
        if let Connection::Up { inbox, .. } = &mut self.connection {
            if !self.reads && self.next_sign <= now {
                self.next_sign = now + SIGN_OF_LIFE;
                inbox.sign_of_life()?;
            }
            if self.next_seen <= now {
                self.next_seen = now + SEEN;
                self.identity.seen(Timestamp::now().as_millisecond())?;
            }
        }
        Ok(())
    }

    fn look_at_the_journal(&mut self) {
        let usage = self.parts.journal.usage();
        let room = usage.room();
        if room != self.room {
            self.room = room;
            (self.parts.tell)(Happening::Room { words: words_of(room) });
        }
        let problem = self.lanes.iter().filter(|lane| lane.is_spilling()).find_map(Lane::problem);
        match &problem {
            Some(problem) if !self.had_problem => {
                (self.parts.tell)(Happening::JournalProblem { cause: problem.cause.clone() });
            }
            None if self.had_problem => (self.parts.tell)(Happening::JournalWorks),
            _ => {}
        }
        self.had_problem = problem.is_some();
        let pending: u64 = usage.lanes.iter().map(|lane| lane.pending_bytes).sum();
        self.reads = room != Room::None && pending < PENDING;
        let is_up = matches!(self.connection, Connection::Up { .. });
        self.parts.readiness.set(match () {
            () if !is_up => Some(format!("not connected to Mosquitto: {}", self.said)),
            () if !self.reads => Some(problem.map_or_else(|| words_of(room).to_owned(), |problem| problem.cause)),
            () => None,
        });
        self.gauges.set(&self.parts.metrics, &usage, &self.lanes, &self.parts.tell);
    }

    /// Nothing more is read; what was read comes to its end.
    async fn leave(mut self) -> Result<()> {
        self.reads = false;
        let deadline = Instant::now() + FAREWELL;
        while self.is_busy() && Instant::now() < deadline {
            self.parts.pulse.beat();
            self.work()?;
            self.next_tick = Instant::now() + Duration::from_millis(50);
            match self.wait(&CancellationToken::new()).await {
                Turn::Moved(Err(_)) => break,
                Turn::Remembered(pending) => self.remembered(&pending?)?,
                Turn::Forgotten(release) => self.forgotten(&release?)?,
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
        if let Connection::Up { inbox, .. } = self.connection {
            // How the server takes the farewell changes nothing: what it did not hear of it sends again.
            let _ = inbox.leave(CLOSING).await;
        }
        let journal = self.parts.journal;
        drop(self.lanes);
        tokio::task::spawn_blocking(move || journal.close()).await.context("closing the journal")
    }

    fn is_busy(&self) -> bool {
        self.lanes.iter().any(|lane| lane.in_flight() > 0) || !self.remembering.is_empty() || self.acks.waiting() > 0
    }
}

async fn exchange(connection: &mut Connection, reads: bool) -> Turn {
    match connection {
        Connection::Up { inbox, .. } if reads => {
            let due = inbox.keep_alive_due();
            tokio::select! {
                moved = inbox.exchange() => Turn::Moved(moved),
                () = sleep_until(due) => Turn::Moved(inbox.keep_alive().await),
            }
        }
        Connection::Up { inbox, .. } if inbox.waiting() > 0 => Turn::Moved(inbox.write().await),
        Connection::Opening(opening) => Turn::Opened(Pin::new(opening).await),
        Connection::Down { until } => {
            sleep_until((*until).into()).await;
            Turn::Other
        }
        Connection::Up { .. } => std::future::pending().await,
    }
}

fn digest(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, payload).hash(&mut hasher);
    hasher.finish()
}

fn words_of(room: Room) -> &'static str {
    match room {
        Room::Plenty => "the journal has room again: everything is taken",
        Room::Short => "the journal is 80 % full: messages at QoS 0 are dropped, but for emergencies and alerts",
        Room::Urgent => "the journal is 95 % full: only emergencies and alerts are taken, everything else is dropped",
        Room::None => "the journal is full: nothing more is read, and Mosquitto queues what it can",
    }
}
