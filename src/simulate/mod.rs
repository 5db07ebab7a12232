//! Believable devices: each with a connection and a login of its own, publishing by a plan that a seed decides on.
//!
//! Open loop: a message is due when the plan says so, whatever became of those before it. What the server or this machine
//! cannot keep up with shows as a backlog and in the times of acknowledgement, which count from when a message was due.

pub mod apart;
mod device;
mod latency;
pub mod leaf;
mod payload;
mod plan;
pub mod scenario;
mod tally;
mod wearer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::event::{self, Counters, Event, Report, Step, Waiting};
use crate::ledger::book::Book;
use crate::ledger::{Header, VERSION};
use crate::message::now;
use crate::mqtt::access::Access;
use crate::stack::Simulated;
use device::{Clock, Device, Order, PATIENCE, Shared};
use plan::Plan;
use scenario::Scenario;
use tally::{QosOutcome, Tally, milliseconds};

pub use payload::press;
pub use tally::Outcome;

/// Devices that connect at the same time.
const AT_ONCE: usize = 64;
/// Between two looks at the counters.
const LOOK: Duration = Duration::from_millis(250);
/// How long what is in flight may take in the end.
const ENDING: Duration = Duration::from_secs(10);
/// The same after an interruption.
const FAREWELL: Duration = Duration::from_secs(1);
/// Messages that are handed out before devices have their turn.
const BATCH: usize = 256;
/// So many may wait while the server is away: about 200 MB. What comes then is never sent, and counted.
const MOST_WAITING: u64 = 500_000;

/// What is to be simulated.
pub struct Request {
    pub simulated: Simulated,
    /// How each device logs in, in their order.
    pub access: Vec<Access>,
    pub scenario: String,
    /// Between two messages of all devices.
    pub gap: Duration,
    pub duration: Duration,
    pub ledger: Option<PathBuf>,
    /// Whose devices they are, and Kafka's id of its cluster where it is known; for the ledger.
    pub stack: String,
    pub cluster: Option<String>,
}

/// Devices that are connected, and the orders that they follow.
struct Fleet {
    orders: Vec<UnboundedSender<Order>>,
    tasks: JoinSet<()>,
}

/// Connects all devices, plays the scenario, and waits for what was not acknowledged yet.
///
/// # Errors
/// When a device cannot connect, or the ledger cannot be written. `stop` ends it early, which is not an error.
pub async fn run(request: &Request, stop: &CancellationToken, report: Report<'_>) -> Result<Outcome> {
    raise_file_limit();
    let scenario = Scenario::of(&request.scenario)?;
    let clock = Clock { began: Instant::now(), began_ms: now() };
    let book = match &request.ledger {
        Some(path) => Some(Book::create(path, &header(request, clock.began_ms))?),
        None => None,
    };
    let shared = Arc::new(Shared {
        tally: Mutex::new(Tally::default()),
        plan: Mutex::new(Plan::new(&request.simulated, &scenario, request.gap, clock.began_ms)),
        pen: book.as_ref().map(Book::pen),
        clock,
        leave: CancellationToken::new(),
    });
    report(Event::StepStarted { step: Step::Simulate });
    let played = play(request, &shared, book.as_ref(), stop, report).await;
    // The last of the pens: the book closes when all are laid down.
    let tally = Arc::into_inner(shared).map(|shared| shared.tally.into_inner().unwrap_or_default());
    let written = book.map_or(Ok(()), Book::close);
    let finished = match (played, written) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(seconds), Ok(())) => {
            tally.context("a device has not ended").map(|tally| outcome(request, tally, seconds, stop.is_cancelled()))
        }
    };
    report(match &finished {
        Ok(outcome) => {
            let sent = event::Outcome::Sent { messages: outcome.sent };
            Event::StepFinished { step: Step::Simulate, outcome: sent, took: clock.began.elapsed() }
        }
        Err(_) => Event::StepFailed { step: Step::Simulate },
    });
    finished
}

fn header(request: &Request, started: i64) -> Header {
    Header {
        ledger: VERSION,
        scenario: request.scenario.clone(),
        seed: request.simulated.seed,
        devices: request.simulated.devices,
        rate: 1.0 / request.gap.as_secs_f64(),
        stack: request.stack.clone(),
        cluster: request.cluster.clone(),
        started,
    }
}

/// A connection a device: the soft limit of many systems is 1,024 files.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// How long messages were due.
async fn play(
    request: &Request,
    shared: &Arc<Shared>,
    book: Option<&Book>,
    stop: &CancellationToken,
    report: Report<'_>,
) -> Result<Duration> {
    let connected = tokio::select! {
        connected = connect(request, report) => connected?,
        () = stop.cancelled() => return Ok(Duration::ZERO),
    };
    let mut fleet = set_out(connected, shared);
    let start = Instant::now();
    let broken = book.map_or_else(CancellationToken::new, |book| book.broken.clone());
    tokio::select! {
        () = conduct(request.duration, &fleet.orders, start, shared, report) => {}
        () = stop.cancelled() => {}
        () = broken.cancelled() => {}
    }
    let took = start.elapsed();
    for (order, number) in fleet.orders.drain(..).zip(0..) {
        let offline = shared.plan().status(number, "offline", took);
        shared.tally().waiting += 1;
        let _ = order.send(Order::Send(device::Due { message: offline, intended: start + took }));
    }
    say(report, Waiting::Acknowledgements);
    let patience = if stop.is_cancelled() { FAREWELL } else { ENDING };
    tokio::select! {
        _ = timeout(patience, all(&mut fleet.tasks)) => {}
        // Told to stop meanwhile.
        () = async { stop.cancelled().await; tokio::time::sleep(FAREWELL).await } => {}
    }
    shared.leave.cancel();
    all(&mut fleet.tasks).await;
    Ok(took)
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

async fn connect(request: &Request, report: Report<'_>) -> Result<Vec<Device>> {
    let count = request.access.len();
    let one = |(number, access): (u32, Access)| async move {
        let id = request.simulated.device(number).id;
        let words = format!("connecting {id}");
        Device::connect(number, id, access).await.context(words)
    };
    let mut connecting =
        futures_util::stream::iter((0..).zip(request.access.iter().cloned()).map(one)).buffered(AT_ONCE);
    let mut connected = Vec::with_capacity(count);
    while let Some(device) = timeout(PATIENCE, connecting.next()).await.context("connecting devices")? {
        connected.push(device?);
        if connected.len().is_multiple_of(AT_ONCE) {
            say(report, Waiting::Connections { made: connected.len(), of: count });
        }
    }
    Ok(connected)
}

/// Each device in a task of its own, which first says that it is online.
fn set_out(devices: Vec<Device>, shared: &Arc<Shared>) -> Fleet {
    let mut fleet = Fleet { orders: Vec::with_capacity(devices.len()), tasks: JoinSet::new() };
    for (device, number) in devices.into_iter().zip(0..) {
        let (order, orders) = unbounded_channel();
        let online = shared.plan().status(number, "online", Duration::ZERO);
        let shared = Arc::clone(shared);
        fleet.orders.push(order);
        fleet.tasks.spawn(async move { device.run(online, orders, &shared).await });
    }
    fleet
}

/// Hands out each message when it is due, until `duration` is over.
async fn conduct(
    duration: Duration,
    orders: &[UnboundedSender<Order>],
    start: Instant,
    shared: &Shared,
    report: Report<'_>,
) {
    let mut next_look = Instant::now() + LOOK;
    loop {
        let mut batch = 0;
        while batch < BATCH && shared.plan().due() < duration.min(start.elapsed()) {
            hand_out(orders, start, shared);
            batch += 1;
        }
        let now = Instant::now();
        if now >= next_look {
            look(start, shared, report);
            next_look = now + LOOK;
        }
        let due = shared.plan().due();
        if due >= duration {
            // What is left of the duration is part of the scenario.
            sleep_until((start + duration).into()).await;
            return;
        }
        if batch == BATCH {
            tokio::task::yield_now().await;
        } else {
            sleep_until((start + due).min(next_look).into()).await;
        }
    }
}

fn hand_out(orders: &[UnboundedSender<Order>], start: Instant, shared: &Shared) {
    let (device, acts) = shared.plan().next();
    for act in acts {
        let order = Order::of(act, start);
        let mut tally = shared.tally();
        if matches!(order, Order::Send(_)) {
            if tally.waiting >= MOST_WAITING {
                tally.unsent += 1;
                continue;
            }
            tally.waiting += 1;
        }
        drop(tally);
        let _ = orders[device as usize].send(order);
    }
}

fn look(start: Instant, shared: &Shared, report: Report<'_>) {
    let due = shared.plan().due_by(start.elapsed());
    let counters = {
        let mut tally = shared.tally();
        let waiting = tally.waiting + due;
        tally.most_waiting = tally.most_waiting.max(waiting);
        let sent = tally.sent();
        Counters {
            sent,
            rate: sent * 1000 / u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1),
            acknowledged: tally.qos.iter().map(|qos| qos.acknowledged).sum(),
            of: tally.qos.iter().skip(1).map(|qos| qos.sent).sum(),
            waiting,
        }
    };
    say(report, Waiting::Simulation(counters));
}

fn say(report: Report<'_>, on: Waiting) {
    report(Event::StepWaits { step: Step::Simulate, on });
}

fn outcome(request: &Request, tally: Tally, took: Duration, interrupted: bool) -> Outcome {
    let sent = tally.sent();
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is read by people")]
    let achieved_rate = if seconds > 0.0 { (sent as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 };
    Outcome {
        scenario: request.scenario.clone(),
        seed: request.simulated.seed,
        devices: request.simulated.devices,
        seconds: (seconds * 1000.0).round() / 1000.0,
        rate: 1.0 / request.gap.as_secs_f64(),
        achieved_rate,
        sent,
        unsent: tally.unsent,
        qos: (0..).zip(&tally.qos).map(|(qos, counted)| QosOutcome::of(qos, counted)).collect(),
        backlog: tally.most_waiting,
        send_delay_p99_ms: tally.late.within(0.99).map(milliseconds),
        reconnects: tally.reconnects,
        interrupted,
        refusal: tally.refusal,
    }
}
