//! Messages to MQTT, each acknowledged as its QoS asks or named.
//!
//! QoS 1 and 2: the handshake came to its end with an accepting reason code. QoS 0: written, and the
//! server answered what was sent after it, so it has read it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PubCompReason, PubRecReason, PubRel, Publish};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::access::{Access, is_refused_login};
use super::backoff::Backoff;
use super::flight::{Entry, Flight};
use super::hello::Session;
use super::hung_up::HungUp;
use super::link::Link;
use super::properties::of_outgoing;
use crate::event::{Event, Notice, Report};
use crate::sending::ledger::Ranges;
use crate::sending::{Batches, Ledger, Outgoing, next_batch};

/// Messages in flight, at most; the server may allow fewer.
const WINDOW: u16 = 1000;
/// Bytes that are prepared before the socket takes some.
const PREPARED: usize = 256 * 1024;
/// How long the server keeps what is in flight while it is away, in seconds.
const SESSION_EXPIRY: u32 = 60;
/// How long acknowledgements are waited for when told to stop, and the end of a connection where nothing hangs on it.
const FAREWELL: Duration = Duration::from_millis(500);
const INTERRUPTED: &str = "interrupted before it was sent";

struct Publisher<'a> {
    access: &'a Access,
    ledger: &'a Ledger,
    report: Report<'a>,
    stop: &'a CancellationToken,
    session: Session,
    link: Link,
    flight: Flight,
    queued: VecDeque<Outgoing>,
    /// QoS 0, written on this connection: whether it was read is asked at the end.
    written: Ranges,
    last_topic: (Arc<str>, Bytes),
    connected: Instant,
    last_progress: Instant,
    patience: Duration,
    outage: Outage,
}

/// Losses of the connection since the server last acknowledged anything.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    /// What was said about it.
    said: Option<String>,
    backoff: Backoff,
}

/// Publishes everything that comes, until the input ends or `stop` is cancelled, and waits until each
/// message is acknowledged or given up. Connects with the first message.
///
/// # Errors
/// When the server cannot be reached or refuses the login; later losses are the ledger's.
pub async fn publish(
    access: &Access,
    mut batches: Batches,
    ledger: &Ledger,
    patience: Duration,
    stop: &CancellationToken,
    report: Report<'_>,
) -> Result<()> {
    let Some(first) = next_batch(&mut batches, stop).await else { return Ok(()) };
    // The id is new, so there is nothing to forget; and of sessions that began by forgetting, Mosquitto 2.0.11
    // writes none to its database, so they would not outlast its restart.
    let session = Session { expiry: SESSION_EXPIRY, clean: false, ..Session::fresh() };
    let last_progress = Instant::now();
    let link = tokio::select! {
        link = Link::open(access, &session, patience) => link?,
        () = stop.cancelled() => {
            refuse(ledger, first, INTERRUPTED);
            refuse_rest(ledger, &mut batches, INTERRUPTED);
            return Ok(());
        }
    };
    let mut publisher = Publisher {
        access,
        ledger,
        report,
        stop,
        session,
        flight: Flight::new(WINDOW.min(link.receive_maximum)),
        link,
        queued: first.into(),
        written: Ranges::default(),
        last_topic: (Arc::from(""), Bytes::new()),
        connected: Instant::now(),
        last_progress,
        patience,
        outage: Outage::default(),
    };
    let lost = publisher.run(&mut batches).await.err();
    let words = lost.as_ref().map_or_else(|| INTERRUPTED.to_owned(), |error| format!("{error:#}"));
    publisher.give_up(&words, lost.is_some());
    refuse_rest(ledger, &mut batches, &words);
    if lost.is_none() {
        publisher.close().await;
    }
    Ok(())
}

fn refuse(ledger: &Ledger, messages: impl IntoIterator<Item = Outgoing>, words: &str) {
    messages.into_iter().for_each(|message| ledger.refuse(message.number, words));
}

fn refuse_rest(ledger: &Ledger, batches: &mut Batches, words: &str) {
    batches.close();
    while let Ok(batch) = batches.try_recv() {
        refuse(ledger, batch, words);
    }
}

impl Publisher<'_> {
    async fn run(&mut self, batches: &mut Batches) -> Result<()> {
        let mut ended = false;
        let mut leave = None;
        loop {
            self.fill();
            let idle = self.queued.is_empty() && self.link.waiting() == 0;
            if idle && self.flight.is_empty() && (ended || self.stop.is_cancelled()) {
                return Ok(());
            }
            if self.stop.is_cancelled() && leave.is_none() {
                // What is in flight may come to its end; what was not sent yet is named.
                refuse(self.ledger, self.queued.drain(..), INTERRUPTED);
                (ended, leave) = (true, Some(Instant::now() + FAREWELL));
            }
            let waits = !self.flight.is_empty() || self.link.waiting() > 0;
            let overdue = self.last_progress + self.patience;
            let alive = self.link.keep_alive_due();
            let moved = tokio::select! {
                moved = self.link.exchange() => {
                    self.last_progress = Instant::now();
                    moved.and_then(|()| self.settle())
                }
                batch = batches.recv(), if self.queued.is_empty() && !ended => {
                    if self.flight.is_empty() {
                        self.last_progress = Instant::now();
                    }
                    match batch {
                        Some(batch) => self.queued = batch.into(),
                        None => ended = true,
                    }
                    Ok(())
                }
                () = sleep_until(overdue.into()), if waits => {
                    bail!("no acknowledgement came within {:?}", self.patience)
                }
                () = sleep_until(leave.unwrap_or(overdue).into()), if leave.is_some() => {
                    bail!("interrupted before it was acknowledged")
                }
                () = sleep_until(alive) => self.link.keep_alive().await.and_then(|()| self.settle()),
                () = self.stop.cancelled(), if leave.is_none() => Ok(()),
            };
            if let Err(error) = moved {
                self.lose(&error);
                if ended && self.flight.is_empty() && self.queued.is_empty() {
                    return Err(error);
                }
                self.resume(error).await?;
            }
        }
    }

    /// Prepares as much as may be in flight.
    fn fill(&mut self) {
        while self.link.waiting() < PREPARED {
            if self.flight.repeats() {
                match self.flight.has_room().then(|| self.flight.next_again()).flatten() {
                    Some(id) => self.send_again(id),
                    None => return,
                }
                continue;
            }
            let Some(next) = self.queued.front() else { return };
            if next.qos > 0 && !self.flight.has_room() {
                return;
            }
            let Some(message) = self.queued.pop_front() else { return };
            if message.qos > self.link.max_qos {
                let words = format!("the server accepts at most QoS {}", self.link.max_qos);
                self.ledger.refuse(message.number, &words);
            } else if message.retain && !self.link.retains {
                self.ledger.refuse(message.number, "the server does not support retained messages (retain)");
            } else {
                let id = if message.qos == 0 { 0 } else { self.flight.id() };
                self.send(message.into(), id, false);
            }
        }
    }

    fn send_again(&mut self, id: u16) {
        let Some(entry) = self.flight.take(id) else { return };
        if entry.released {
            match self.link.queue(&Packet::PubRel(PubRel::new(id, None))) {
                Ok(()) => self.flight.sent(id, entry),
                Err(error) => self.ledger.refuse(entry.message.number, &format!("{error:#}")),
            }
        } else {
            self.send(entry, id, self.link.session_present);
        }
    }

    fn send(&mut self, entry: Entry, id: u16, again: bool) {
        let message = &entry.message;
        if !Arc::ptr_eq(&self.last_topic.0, &message.topic) {
            self.last_topic = (Arc::clone(&message.topic), Bytes::copy_from_slice(message.topic.as_bytes()));
        }
        let publish = Publish {
            dup: again,
            qos: match message.qos {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: message.retain,
            topic: self.last_topic.1.clone(),
            pkid: id,
            payload: message.value.clone().unwrap_or_default(),
            properties: of_outgoing(message),
        };
        if let Err(error) = self.link.queue(&Packet::Publish(publish)) {
            self.ledger.refuse(message.number, &format!("{error:#}"));
            if id != 0 {
                self.flight.give_back(id);
            }
        } else if id == 0 {
            self.written.push(message.number);
        } else {
            self.flight.sent(id, entry);
        }
    }

    /// Enters what the server said.
    fn settle(&mut self) -> Result<()> {
        while let Some(packet) = self.link.take()? {
            match packet {
                Packet::PubAck(ack) => match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => self.finish(ack.pkid, None),
                    PubAckReason::NotAuthorized => self.finish_forbidden(ack.pkid),
                    reason => self.finish(ack.pkid, Some(&format!("{reason:?}"))),
                },
                Packet::PubRec(received) => match received.reason {
                    PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                        self.acknowledged();
                        self.flight.release(received.pkid);
                        self.link.queue(&Packet::PubRel(PubRel::new(received.pkid, None)))?;
                    }
                    PubRecReason::NotAuthorized => self.finish_forbidden(received.pkid),
                    reason => self.finish(received.pkid, Some(&format!("{reason:?}"))),
                },
                Packet::PubComp(complete) => match complete.reason {
                    // Of one that is not found, the server knows no handshake: it came to its end before
                    // the connection was lost.
                    PubCompReason::Success | PubCompReason::PacketIdentifierNotFound => {
                        self.finish(complete.pkid, None);
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn finish_forbidden(&mut self, id: u16) {
        let Some(entry) = self.flight.get(id) else { return };
        let words = format!("{} may not publish to {}", self.access.username(), entry.message.topic);
        self.finish(id, Some(&words));
    }

    fn finish(&mut self, id: u16, refusal: Option<&str>) {
        let Some(message) = self.flight.finish(id) else { return };
        self.acknowledged();
        match refusal {
            None => self.ledger.accept(),
            Some(reason) => self.ledger.refuse(message.number, reason),
        }
    }

    /// The server does its work: an outage is over.
    fn acknowledged(&mut self) {
        if self.outage.since.is_some() && std::mem::take(&mut self.outage).said.is_some() {
            (self.report)(Event::Noticed(Notice::MqttAgain));
        }
    }

    /// Notes that the connection is gone, and what that means for what was sent on it.
    fn lose(&mut self, lost: &anyhow::Error) {
        // Whoever stayed that long was no part of an outage.
        if self.connected.elapsed() >= self.patience {
            self.outage = Outage::default();
        }
        self.outage.since.get_or_insert_with(Instant::now);
        self.say(lost);
        let written = std::mem::take(&mut self.written);
        let may_be_its_fault = written.is_empty() && HungUp::may_be_about_a_message(lost);
        for number in written.numbers() {
            self.ledger.refuse(number, &format!("{lost:#} before the server is known to have read it (QoS 0)"));
        }
        if let Some(message) = self.flight.lose(may_be_its_fault) {
            self.outage.backoff.reset();
            self.ledger.refuse(message.number, &format!("{lost:#}, every time this was sent"));
        }
    }

    /// Says what is the matter, once.
    fn say(&mut self, lost: &anyhow::Error) {
        let why = format!("{lost:#}");
        if self.outage.said.as_ref() != Some(&why) {
            (self.report)(Event::Noticed(Notice::MqttLost { why: why.clone() }));
            self.outage.said = Some(why);
        }
    }

    /// Connects again, for as long as patience lasts from the beginning of the outage, and prepares to send again what
    /// is safe to be sent again.
    async fn resume(&mut self, mut lost: anyhow::Error) -> Result<()> {
        let deadline = self.outage.since.unwrap_or_else(Instant::now) + self.patience;
        self.link = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(lost.context(format!("no acknowledgement came within {:?}", self.patience)));
            }
            let attempt = async {
                sleep(self.outage.backoff.pause().min(left)).await;
                Link::open(self.access, &self.session, left).await
            };
            let opened = tokio::select! {
                opened = attempt => opened,
                () = self.stop.cancelled() => return Err(anyhow!("interrupted before it was acknowledged")),
            };
            match opened {
                Ok(link) => break link,
                // No patience helps: the password was changed.
                Err(error) if is_refused_login(&error) => return Err(error),
                Err(error) => {
                    self.say(&error);
                    lost = error;
                }
            }
        };
        self.connected = Instant::now();
        self.last_progress = self.connected;
        self.flight.limit(self.link.receive_maximum);
        if !self.link.session_present {
            // Sent again it might arrive twice, which QoS 2 must not.
            for message in self.flight.take_all(|message| message.qos == 2) {
                let words = "the server lost the session: whether it arrived is unknown (QoS 2)";
                self.ledger.refuse(message.number, words);
            }
        }
        if self.flight.is_empty() {
            // Nothing will be acknowledged that tells of the connection.
            (self.report)(Event::Noticed(Notice::MqttAgain));
            self.outage.said = None;
        }
        Ok(())
    }

    /// Everything that is not settled is not acknowledged; QoS 0 is settled when the connection is closed in order.
    fn give_up(&mut self, words: &str, is_lost: bool) {
        if is_lost {
            std::mem::take(&mut self.written).numbers().for_each(|number| self.ledger.refuse(number, words));
        }
        refuse(self.ledger, self.flight.drain(), words);
        refuse(self.ledger, self.queued.drain(..), words);
    }

    /// Ends the connection in order. QoS 0 has no acknowledgement but that the server has read what came after it.
    async fn close(mut self) {
        if !self.written.is_empty() {
            let patience = if self.stop.is_cancelled() { FAREWELL.min(self.patience) } else { self.patience };
            let read = timeout(patience, self.link.all_read()).await;
            let read = read.unwrap_or_else(|_| Err(anyhow!("the server did not read it within {patience:?}")));
            for number in self.written.numbers() {
                match &read {
                    Ok(()) => self.ledger.accept(),
                    Err(error) => self.ledger.refuse(number, &format!("{error:#} (QoS 0)")),
                }
            }
        }
        let _ = self.link.close(FAREWELL).await;
    }
}
