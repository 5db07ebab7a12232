//! One device's connection: sends what is planned as it is due, and waits for what its QoS promises.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::payload::{Body, Payload};
use super::plan::{Act, Plan, Planned};
use super::tally::Tally;
use crate::ledger::Entry;
use crate::mqtt::access::Access;
use crate::mqtt::sender::{Answer, Sender as Mqtt, Will};
use crate::stack::leaf;

/// How long the server may take to let a device in.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts to connect again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the server may take to end a connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all devices share.
pub(super) struct Shared {
    pub(super) tally: Mutex<Tally>,
    pub(super) plan: Mutex<Plan>,
    /// None without a ledger.
    pub(super) pen: Option<Sender<Entry>>,
    pub(super) clock: Clock,
    /// Cancelled when nothing more is waited for.
    pub(super) leave: CancellationToken,
}

/// Moments as milliseconds since 1970 that no change of the system's clock moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) began: Instant,
    pub(super) began_ms: i64,
}

impl Clock {
    pub(super) fn ms(&self, moment: Instant) -> i64 {
        let elapsed = moment.saturating_duration_since(self.began).as_millis();
        self.began_ms + i64::try_from(elapsed).unwrap_or(i64::MAX / 2)
    }
}

impl Shared {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) message: Planned,
    pub(super) intended: Instant,
}

/// What a device is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Send(Due),
    Reconnect(Planned),
}

impl Order {
    pub(super) fn of(act: Act, start: Instant) -> Self {
        match act {
            Act::Send(message) => {
                let intended = start + message.due.unwrap_or_default();
                Self::Send(Due { message, intended })
            }
            Act::Reconnect(online) => Self::Reconnect(online),
        }
    }
}

/// A message that the server has not acknowledged.
struct InFlight {
    due: Due,
    sent: Instant,
}

/// A device that is connected.
pub(super) struct Device {
    number: u32,
    id: String,
    access: Access,
    mqtt: Mqtt<InFlight>,
    waiting: VecDeque<Due>,
}

/// The will: what others learn when the device is gone without a word.
fn will(id: &str) -> Will {
    Will {
        topic: leaf::STATUS.topic(id),
        payload: Payload { device_id: id, body: Body::Status { status: "offline" }, stamp: None }.to_json(),
        qos: leaf::STATUS.qos,
    }
}

impl Device {
    /// Connects, with a session of its own.
    ///
    /// # Errors
    /// Why the server cannot be reached or refuses the login.
    pub(super) async fn connect(number: u32, id: String, access: Access) -> Result<Self> {
        let mqtt = Mqtt::open(&access, Some(will(&id)), PATIENCE).await?;
        Ok(Self { number, id, access, mqtt, waiting: VecDeque::new() })
    }

    /// Follows orders until there are no more and all is acknowledged, or nothing more is waited for.
    pub(super) async fn run(mut self, online: Planned, mut orders: UnboundedReceiver<Order>, shared: &Shared) {
        self.announce(online, shared);
        let mut ended = false;
        loop {
            let lost = match self.serve(&mut orders, &mut ended, shared).await {
                Ok(()) => break,
                Err(lost) => lost,
            };
            if shared.leave.is_cancelled() || !self.resume(lost.downcast().ok(), &mut orders, shared).await {
                break;
            }
        }
        self.give_up(&mut orders, shared);
        let _ = self.mqtt.close(FAREWELL).await;
    }

    /// That it is online, due now.
    fn announce(&mut self, online: Planned, shared: &Shared) {
        shared.tally().waiting += 1;
        self.waiting.push_back(Due { message: online, intended: Instant::now() });
    }

    /// Until all is done, or the connection is lost.
    async fn serve(&mut self, orders: &mut UnboundedReceiver<Order>, ended: &mut bool, shared: &Shared) -> Result<()> {
        loop {
            self.fill(shared);
            if *ended && self.waiting.is_empty() && self.mqtt.is_idle() {
                return Ok(());
            }
            let alive = self.mqtt.keep_alive_due();
            tokio::select! {
                moved = self.mqtt.exchange() => {
                    moved?;
                    self.settle(shared)?;
                }
                order = orders.recv(), if !*ended => match order {
                    None => *ended = true,
                    Some(order) => self.obey(order, orders)?,
                },
                () = sleep_until(alive) => {
                    self.mqtt.keep_alive().await?;
                    self.settle(shared)?;
                }
                () = shared.leave.cancelled() => return Ok(()),
            }
        }
    }

    fn obey(&mut self, first: Order, orders: &mut UnboundedReceiver<Order>) -> Result<()> {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Send(due) => self.waiting.push_back(due),
                Order::Reconnect(online) => bail!(Dropped(online)),
            }
            next = orders.try_recv().ok();
        }
        Ok(())
    }

    /// Sends as much as may be in flight.
    fn fill(&mut self, shared: &Shared) {
        while let Some(due) = self.waiting.front() {
            if !self.mqtt.has_room(due.message.qos) {
                return;
            }
            let Some(due) = self.waiting.pop_front() else { return };
            let sent = Instant::now();
            let Planned { topic, qos, payload, .. } = &due.message;
            let (topic, qos, payload) = (topic.clone(), *qos, payload.clone());
            {
                let mut tally = shared.tally();
                tally.waiting = tally.waiting.saturating_sub(1);
                tally.of(qos).sent += 1;
                tally.late.add(sent.saturating_duration_since(due.intended));
            }
            match self.mqtt.publish(topic, qos, payload, InFlight { due, sent }) {
                Ok(None) => {}
                Ok(Some(unanswered)) => self.enter(unanswered, None, shared),
                Err(error) => shared.tally().refusal = Some(format!("{error:#}")),
            }
        }
    }

    /// Takes in what the server acknowledged.
    fn settle(&mut self, shared: &Shared) -> Result<()> {
        while let Some((message, answer)) = self.mqtt.answer()? {
            let now = Instant::now();
            let qos = message.due.message.qos;
            match answer {
                Answer::Acknowledged => {
                    let mut tally = shared.tally();
                    let counted = tally.of(qos);
                    counted.acknowledged += 1;
                    counted.took.add(now.saturating_duration_since(message.due.intended));
                    drop(tally);
                    self.enter(message, Some(now), shared);
                }
                Answer::Refused(reason) => {
                    let mut tally = shared.tally();
                    tally.of(qos).refused += 1;
                    tally.refusal.get_or_insert_with(|| format!("{}: {reason}", message.due.message.topic));
                    drop(tally);
                    self.enter(message, None, shared);
                }
            }
        }
        Ok(())
    }

    /// Connects again for as long as it takes; false when told to leave. What is in flight is sent again.
    async fn resume(
        &mut self,
        dropped: Option<Dropped>,
        orders: &mut UnboundedReceiver<Order>,
        shared: &Shared,
    ) -> bool {
        shared.tally().reconnects += 1;
        self.mqtt.drop_connection();
        loop {
            let attempt = self.mqtt.reopen(&self.access, Some(will(&self.id)), PATIENCE);
            let opened = tokio::select! {
                opened = attempt => opened,
                () = shared.leave.cancelled() => return false,
            };
            if opened.is_ok() {
                break;
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = shared.leave.cancelled() => return false,
            }
        }
        let online = if let Some(Dropped(online)) = dropped {
            online
        } else {
            self.count_first(orders, shared);
            shared.plan().status(self.number, "online", shared.clock.began.elapsed())
        };
        self.announce(online, shared);
        true
    }

    /// Takes what the plan has counted already before it counts something else, or a topic's order would be another one.
    fn count_first(&mut self, orders: &mut UnboundedReceiver<Order>, shared: &Shared) {
        while let Ok(order) = orders.try_recv() {
            match order {
                Order::Send(due) => self.waiting.push_back(due),
                Order::Reconnect(online) => self.announce(online, shared),
            }
        }
    }

    /// Enters what was not sent, and what was not acknowledged.
    fn give_up(&mut self, orders: &mut UnboundedReceiver<Order>, shared: &Shared) {
        orders.close();
        while let Ok(order) = orders.try_recv() {
            if let Order::Send(due) = order {
                self.waiting.push_back(due);
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        {
            let mut tally = shared.tally();
            tally.unsent += waiting.len() as u64;
            tally.waiting = tally.waiting.saturating_sub(waiting.len() as u64);
        }
        for message in self.mqtt.drain() {
            self.enter(message, None, shared);
        }
        for due in waiting {
            self.write(due, None, None, shared);
        }
    }

    fn enter(&self, message: InFlight, acknowledged: Option<Instant>, shared: &Shared) {
        let InFlight { due, sent } = message;
        self.write(due, Some(sent), acknowledged, shared);
    }

    fn write(&self, due: Due, sent: Option<Instant>, acknowledged: Option<Instant>, shared: &Shared) {
        let Some(pen) = &shared.pen else { return };
        let Due { message, intended } = due;
        let ms = |moment| shared.clock.ms(moment);
        let entry = Entry {
            topic: message.topic,
            qos: message.qos,
            device: self.id.clone(),
            event_id: message.event_id,
            sequence: message.sequence,
            intended: ms(intended),
            sent: sent.map(ms),
            acknowledged: acknowledged.map(ms),
        };
        // A ledger that can be written no more ends the simulation by itself.
        let _ = pen.send(entry);
    }
}

/// The connection is dropped on purpose; what is said on the next one.
#[derive(Debug, thiserror::Error)]
#[error("dropped on purpose")]
struct Dropped(Planned);
