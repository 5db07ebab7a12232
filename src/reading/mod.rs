//! Messages of both brokers in one stream: readers in threads of their own tell what comes, one at a time.
//!
//! A [`Session`] is the engine of `sub` and `tail`, and of whoever else wants such a stream: a filter, limits, a sink.

mod session;

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::address::Address;
use crate::kafka;
use crate::message::{NO_TIME, now};
use crate::mqtt;
use crate::mqtt::filters::Group;
use crate::mqtt::subscribe::{Patience, Subscription};
use crate::place::{From, Until};
use crate::stream::{Gate, PATIENCE, Tell, Told, Wanted};

pub use session::{Ended, Heard, Limits, Session, Sink};

/// How long people are kept waiting for a server that let us in before and refuses us now.
const REFUSED: Duration = Duration::from_secs(60);

/// What is to be read.
pub struct Watch<'a> {
    pub addresses: &'a [Address],
    /// None where no such broker is named; then none of the addresses may be its.
    pub kafka: Option<&'a kafka::access::Access>,
    pub mqtt: Option<&'a mqtt::access::Access>,
    /// For Kafka; MQTT has retained messages only, and they come first.
    pub from: From,
    /// For Kafka.
    pub until: Until,
    /// Only this partition of each topic.
    pub partition: Option<i32>,
    /// The past by time across partitions, and only then the present.
    pub merged: bool,
    /// Of the past, only the newest wanted messages: so many of all partitions together.
    pub last: Option<usize>,
    /// Little memory goes before speed.
    pub for_people: bool,
    /// Reads as a member of this group.
    pub group: Option<kafka::plan::Membership>,
    /// What cannot be read is a failure: who reads to an end, or a number of messages, must not wait for ever.
    pub strict: bool,
    /// The most that MQTT may deliver with: 0, 1 or 2.
    pub qos: u8,
    /// How long brokers may take to let us in, MQTT's also again.
    pub patience: Duration,
}

impl<'a> Watch<'a> {
    /// What comes from now on, by either broker, without an end: readers say how they differ.
    pub fn of(
        addresses: &'a [Address],
        kafka: Option<&'a kafka::access::Access>,
        mqtt: Option<&'a mqtt::access::Access>,
    ) -> Self {
        Self {
            addresses,
            kafka,
            mqtt,
            from: From::Now,
            until: Until::Never,
            partition: None,
            merged: false,
            last: None,
            for_people: false,
            group: None,
            strict: false,
            qos: 2,
            patience: PATIENCE,
        }
    }
}

/// Readers that have begun: what is sent from now on will be told. Dropping it ends them.
pub struct Reading {
    readers: Vec<oneshot::Receiver<Result<()>>>,
    stop: DropGuard,
    /// The topics and filters that are read, patterns resolved.
    pub names: Vec<String>,
}

impl Reading {
    /// Begins to read. When this returns, nothing sent later is missed.
    ///
    /// # Errors
    /// When a broker does not answer, refuses the login, or has no such topic.
    pub async fn open(watch: &Watch<'_>, wanted: &Wanted, tell: &Tell) -> Result<Self> {
        let stop = CancellationToken::new();
        // Whoever stops waiting for it leaves no reader behind.
        let opening = stop.clone().drop_guard();
        let wanted = &not_before(watch.from, wanted);
        let mut topics = Vec::new();
        let mut filters = Vec::new();
        for address in watch.addresses {
            match address {
                Address::Kafka(topic) => topics.push(topic.clone()),
                Address::Mqtt(filter) => filters.push(filter.clone()),
            }
        }
        // The past is Kafka's; messages of MQTT are the present, and wait for it.
        let gate = Gate::new(watch.merged && !topics.is_empty() && !filters.is_empty());
        let kafka = async {
            if topics.is_empty() {
                return Ok(None);
            }
            let plan = kafka::plan::Plan {
                topics,
                partition: watch.partition,
                from: watch.from,
                until: watch.until,
                merged: watch.merged,
                last: watch.last,
                group: watch.group.clone(),
                strict: watch.strict,
                patience: watch.patience,
                for_people: watch.for_people,
            };
            let ears = kafka::plan::Ears {
                wanted: Arc::clone(wanted),
                tell: Arc::clone(tell),
                gate: gate.clone(),
                away: Arc::default(),
            };
            let access = watch.kafka.context("no Kafka cluster is given")?;
            kafka::consume::read(access, plan, ears, stop.clone()).await.map(Some)
        };
        let mqtt = async {
            let mut readers = Vec::new();
            for group in mqtt::filters::groups(&filters) {
                let filters = group.filters.clone();
                readers.push(subscribe(watch, filters, through(&gate, group, wanted, tell), stop.clone()).await?);
            }
            Ok(readers)
        };
        match tokio::try_join!(kafka, mqtt) {
            Ok((kafka, mqtt)) => {
                let (kafka, mut names) = kafka.map_or((None, Vec::new()), |(reader, names)| (Some(reader), names));
                names.extend(filters.iter().cloned());
                Ok(Self { readers: kafka.into_iter().chain(mqtt).collect(), stop: opening, names })
            }
            Err(error) => {
                gate.open();
                Err(error)
            }
        }
    }

    /// Until everything that was to be read has been told, or told to break off.
    ///
    /// # Errors
    /// What ended a reader that was not at its end.
    pub async fn finished(&mut self) -> Result<()> {
        all_ended(&mut self.readers).await
    }

    /// Ends the readers, and leaves the brokers in order; one that stands still is given `patience`.
    pub async fn close(self, patience: Duration) {
        let Self { mut readers, stop, .. } = self;
        drop(stop);
        let _ = tokio::time::timeout(patience, all_ended(&mut readers)).await;
    }
}

async fn all_ended(readers: &mut Vec<oneshot::Receiver<Result<()>>>) -> Result<()> {
    poll_fn(|context| {
        let mut at = 0;
        while let Some(reader) = readers.get_mut(at) {
            match Pin::new(reader).poll(context) {
                Poll::Pending => at += 1,
                Poll::Ready(ended) => {
                    readers.swap_remove(at);
                    // A reader that vanished without a word was stopped.
                    if let Ok(Err(error)) = ended {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
        if readers.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// Who reads from a time to come wants nothing older, wherever it comes from: retained messages and new ones of before.
fn not_before(from: From, wanted: &Wanted) -> Wanted {
    match from {
        From::Time(start) if start > now() => {
            let wanted = Arc::clone(wanted);
            Arc::new(move |message| {
                let time = if message.time == NO_TIME { now() } else { message.time };
                time >= start && wanted(message)
            })
        }
        _ => Arc::clone(wanted),
    }
}

/// Only what is wanted and no other connection tells, and nothing before the gate is open.
fn through(gate: &Gate, group: Group, wanted: &Wanted, tell: &Tell) -> Tell {
    let (gate, wanted, tell) = (gate.clone(), Arc::clone(wanted), Arc::clone(tell));
    Arc::new(move |told| match &told {
        Told::Message(message) if group.leaves(&message.topic) => ControlFlow::Continue(()),
        Told::Message(message) => {
            gate.pass();
            if wanted(message) { tell(told) } else { ControlFlow::Continue(()) }
        }
        Told::Idle | Told::Notice(_) => tell(told),
    })
}

/// In a thread of its own: a terminal that stands still must hold up nothing else.
async fn subscribe(
    watch: &Watch<'_>,
    filters: Vec<String>,
    tell: Tell,
    stop: CancellationToken,
) -> Result<oneshot::Receiver<Result<()>>> {
    let access = watch.mqtt.context("no MQTT server is given")?.clone();
    let (qos, slow) = (watch.qos, watch.patience);
    // People are told and can wait; a script must not wait for what never comes.
    let patience = Patience { slow, refusing: if watch.for_people { REFUSED } else { Duration::ZERO } };
    let (ready, granted) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing MQTT")?;
    let work = move || {
        runtime.block_on(async {
            let opened = tokio::select! {
                () = stop.cancelled() => return,
                opened = Subscription::open(&access, &filters, qos, slow) => opened,
            };
            match opened {
                Err(error) => drop(ready.send(Err(error))),
                Ok(subscription) => {
                    if ready.send(Ok(())).is_ok() {
                        let _ = done.send(subscription.run(&tell, &stop, patience).await);
                    }
                }
            }
        });
    };
    std::thread::Builder::new().name("mqtt".to_owned()).spawn(work).context("starting the MQTT reader")?;
    granted.await.context("the MQTT reader ended early")??;
    Ok(ended)
}
