//! Messages to MQTT, each acknowledged as its QoS asks or named.
//!
//! QoS 1 and 2: the handshake came to its end with an accepting reason code. QoS 0: written, and the
//! connection ended in order, so the server has read it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Packet, PubAckReason, PubCompReason, PubRecReason, PubRel, Publish, PublishProperties,
};
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::link::{Link, Session};
use crate::event::{Event, Report};
use crate::message::Properties;
use crate::publish::ledger::Ranges;
use crate::publish::{Batches, Ledger, Outgoing};

/// Messages in flight, at most; the server may allow fewer.
const WINDOW: u16 = 1000;
/// Bytes that are prepared before the socket takes some.
const PREPARED: usize = 256 * 1024;
/// How long the server keeps what is in flight while it is away, in seconds.
const SESSION_EXPIRY: u32 = 60;
/// Between attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A message whose handshake is not complete.
struct InFlight {
    message: Outgoing,
    /// QoS 2: the server has it, and was told to pass it on.
    released: bool,
}

struct Publisher<'a> {
    access: &'a Access,
    ledger: &'a Ledger,
    session: Session,
    link: Link,
    /// By packet id.
    in_flight: Vec<Option<InFlight>>,
    free: VecDeque<u16>,
    queued: VecDeque<Outgoing>,
    /// QoS 0, written on this connection: known to be read only when it ends in order.
    written: Ranges,
    last_topic: (Arc<str>, Bytes),
    last_progress: Instant,
    patience: Duration,
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
    let Some(first) = batches.recv().await else { return Ok(()) };
    // The id is new, so there is nothing to forget; and of sessions that began by forgetting, Mosquitto 2.0.11
    // writes none to its database, so they would not outlast its restart.
    let session = Session { expiry: SESSION_EXPIRY, clean: false, ..Session::fresh() };
    let link = Link::open(access, &session, patience).await?;
    let window = WINDOW.min(link.receive_maximum);
    let mut publisher = Publisher {
        access,
        ledger,
        session,
        link,
        in_flight: (0..=window).map(|_| None).collect(),
        free: (1..=window).collect(),
        queued: first.into(),
        written: Ranges::default(),
        last_topic: (Arc::from(""), Bytes::new()),
        last_progress: Instant::now(),
        patience,
    };
    let lost = publisher.run(&mut batches, stop, report).await.err();
    batches.close();
    let words = match &lost {
        Some(error) => format!("{error:#}"),
        None => "interrupted before it was sent".to_owned(),
    };
    publisher.give_up(&words, lost.is_some());
    while let Ok(batch) = batches.try_recv() {
        for message in &batch {
            ledger.refuse(message.number, &words);
        }
    }
    if lost.is_none() {
        publisher.close().await;
    }
    Ok(())
}

impl Publisher<'_> {
    async fn run(&mut self, batches: &mut Batches, stop: &CancellationToken, report: Report<'_>) -> Result<()> {
        let mut ended = false;
        loop {
            self.fill();
            let idle = self.queued.is_empty() && self.link.waiting() == 0;
            if idle && self.is_settled() && (ended || stop.is_cancelled()) {
                return Ok(());
            }
            if stop.is_cancelled() {
                // What is in flight comes to its end; what was not sent yet is named.
                self.queued.drain(..).for_each(|message| {
                    self.ledger.refuse(message.number, "interrupted before it was sent");
                });
                ended = true;
            }
            let waits = !self.is_settled() || self.link.waiting() > 0;
            let overdue = self.last_progress + self.patience;
            let alive = self.link.keep_alive_due();
            let moved = tokio::select! {
                moved = self.link.exchange() => moved.and_then(|()| self.settle()),
                batch = batches.recv(), if self.queued.is_empty() && !ended => {
                    if self.is_settled() {
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
                () = sleep_until(alive), if !waits => self.link.keep_alive(),
                () = stop.cancelled(), if !ended => Ok(()),
            };
            if let Err(error) = moved {
                report(Event::Warning(format!("MQTT: {error:#}; connecting again")));
                self.resume(&error).await?;
                report(Event::Note("MQTT: connected again".to_owned()));
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.free.len() + 1 == self.in_flight.len()
    }

    /// Prepares as much as may be in flight.
    fn fill(&mut self) {
        while self.link.waiting() < PREPARED {
            let Some(next) = self.queued.front() else { return };
            if next.qos > 0 && self.free.is_empty() {
                return;
            }
            let Some(message) = self.queued.pop_front() else { return };
            let id = if message.qos == 0 { 0 } else { self.free.pop_front().unwrap_or_default() };
            self.send(message, id, false);
        }
    }

    fn send(&mut self, message: Outgoing, id: u16, again: bool) {
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
            properties: properties(&message),
        };
        if let Err(error) = self.link.queue(&Packet::Publish(publish)) {
            self.ledger.refuse(message.number, &format!("{:#}", error.root_cause()));
            if id != 0 {
                self.free.push_back(id);
            }
        } else if id == 0 {
            self.written.push(message.number);
        } else {
            self.in_flight[usize::from(id)] = Some(InFlight { message, released: false });
        }
    }

    /// Enters what the server said.
    fn settle(&mut self) -> Result<()> {
        self.last_progress = Instant::now();
        while let Some(packet) = self.link.take()? {
            match packet {
                Packet::PubAck(ack) => match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => self.finish(ack.pkid, None),
                    PubAckReason::NotAuthorized => self.finish_forbidden(ack.pkid),
                    reason => self.finish(ack.pkid, Some(&format!("{reason:?}"))),
                },
                Packet::PubRec(received) => match received.reason {
                    PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                        if let Some(entry) = self.in_flight.get_mut(usize::from(received.pkid)).and_then(Option::as_mut)
                        {
                            entry.released = true;
                        }
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
        let Some(Some(entry)) = self.in_flight.get(usize::from(id)) else { return };
        let words = format!("{} may not publish to {}", self.access.username(), entry.message.topic);
        self.finish(id, Some(&words));
    }

    fn finish(&mut self, id: u16, refusal: Option<&str>) {
        let Some(entry) = self.in_flight.get_mut(usize::from(id)).and_then(Option::take) else { return };
        self.free.push_back(id);
        match refusal {
            None => self.ledger.accept(),
            Some(reason) => self.ledger.refuse(entry.message.number, reason),
        }
    }

    /// Connects again, for as long as patience lasts, and sends again what is safe to be sent again.
    async fn resume(&mut self, lost: &anyhow::Error) -> Result<()> {
        let written = std::mem::take(&mut self.written);
        for number in written.numbers() {
            self.ledger.refuse(number, &format!("{lost:#} before the server is known to have read it (QoS 0)"));
        }
        let deadline = Instant::now() + self.patience;
        self.link = loop {
            match Link::open(self.access, &self.session, self.patience).await {
                Ok(link) => break link,
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(RECONNECT_PAUSE).await,
            }
        };
        self.last_progress = Instant::now();
        for id in 1..self.in_flight.len() {
            let Some(entry) = self.in_flight[id].take() else { continue };
            let id = u16::try_from(id).unwrap_or_default();
            match (self.link.session_present, entry.message.qos, entry.released) {
                (true, 2, true) => {
                    self.in_flight[usize::from(id)] = Some(entry);
                    self.link.queue(&Packet::PubRel(PubRel::new(id, None)))?;
                }
                (true, ..) | (false, 1, _) => self.send(entry.message, id, self.link.session_present),
                // Sent again it might arrive twice, which QoS 2 must not.
                (false, ..) => {
                    self.free.push_back(id);
                    let words = "the server lost the session: whether it arrived is unknown (QoS 2)";
                    self.ledger.refuse(entry.message.number, words);
                }
            }
        }
        Ok(())
    }

    /// Everything that is not settled is not acknowledged; QoS 0 is settled by the end of its connection.
    fn give_up(&mut self, words: &str, is_lost: bool) {
        if is_lost {
            std::mem::take(&mut self.written).numbers().for_each(|number| self.ledger.refuse(number, words));
        }
        let in_flight = self.in_flight.iter_mut().filter_map(Option::take).map(|entry| entry.message);
        for message in in_flight.chain(self.queued.drain(..)) {
            self.ledger.refuse(message.number, words);
        }
    }

    /// Ends the connection in order, which is what acknowledges QoS 0.
    async fn close(self) {
        let closed = self.link.close(self.patience).await;
        for number in self.written.numbers() {
            match &closed {
                Ok(()) => self.ledger.accept(),
                Err(error) => self.ledger.refuse(number, &format!("{error:#} (QoS 0)")),
            }
        }
    }
}

fn properties(message: &Outgoing) -> Option<PublishProperties> {
    if message.headers.is_empty() && message.properties.is_none() {
        return None;
    }
    let Properties { content_type, response_topic, correlation_data, payload_format, expiry } =
        message.properties.as_deref().cloned().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pair = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| (text(name), text(value.as_deref().unwrap_or_default()));
    Some(PublishProperties {
        payload_format_indicator: payload_format,
        message_expiry_interval: expiry,
        response_topic,
        correlation_data: correlation_data.map(Bytes::from),
        user_properties: message.headers.iter().map(pair).collect(),
        content_type,
        ..PublishProperties::default()
    })
}
