//! One connection of a device that publishes a little, and wants to know when each message is acknowledged.
//!
//! Light enough for thousands beside each other. What is in flight when the connection is lost is sent again on the next
//! one, in order: where the server kept the session, as MQTT asks; where it did not, whole, as devices do.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    LastWill, Packet, PubAckReason, PubCompReason, PubRecReason, PubRel, Publish, PublishProperties,
};

use super::access::Access;
use super::hello::Session;
use super::link::Link;

/// Messages in flight, at most; the server may allow fewer.
const WINDOW: usize = 100;
/// Bytes that wait for the socket before nothing more is taken.
const PREPARED: usize = 64 * 1024;
/// How long the server keeps what is in flight while the device is away, in seconds.
const SESSION_EXPIRY: u32 = 60;

/// What the server publishes should the device be gone without a word.
#[derive(Debug, Clone)]
pub struct Will {
    pub topic: String,
    pub payload: String,
    /// 0, 1 or 2.
    pub qos: u8,
}

/// What the server said of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Acknowledged,
    /// Its reason.
    Refused(String),
}

struct Entry<T> {
    id: u16,
    /// QoS 2: the server has it, and was told to pass it on.
    released: bool,
    topic: String,
    qos: u8,
    payload: String,
    message: T,
}

/// Publishes messages; `T` is what they are known by.
pub struct Sender<T> {
    session: Session,
    link: Option<Link>,
    /// In the order in which they were sent.
    flight: VecDeque<Entry<T>>,
    last_id: u16,
    /// In seconds.
    expiry: Option<u32>,
}

impl<T> Sender<T> {
    /// Connects and logs in with a new session.
    ///
    /// # Errors
    /// As for [`Link::open`].
    pub async fn open(access: &Access, will: Option<Will>, patience: Duration) -> Result<Self> {
        // Of sessions that began by forgetting, Mosquitto 2.0.11 keeps none through its restart.
        let session = Session { expiry: SESSION_EXPIRY, clean: false, ..Session::fresh() };
        let link = Link::open_with_will(access, &session, will.map(last_will), patience).await?;
        Ok(Self { session, link: Some(link), flight: VecDeque::new(), last_id: 0, expiry: None })
    }

    /// What it publishes from now on is kept for nobody longer than so many seconds.
    #[must_use]
    pub fn expiring(mut self, seconds: u32) -> Self {
        self.expiry = Some(seconds);
        self
    }

    /// Ends the connection without a word, so that the server publishes the will.
    pub fn drop_connection(&mut self) {
        self.link = None;
    }

    /// Connects again and sends again what is in flight.
    ///
    /// # Errors
    /// As for [`Link::open`].
    pub async fn reopen(&mut self, access: &Access, will: Option<Will>, patience: Duration) -> Result<()> {
        self.link = None;
        let mut link = Link::open_with_will(access, &self.session, will.map(last_will), patience).await?;
        let known = link.session_present;
        for entry in &mut self.flight {
            // What the server forgot it has not passed on, although it had said that it has it.
            entry.released &= known;
            if entry.released {
                link.queue(&Packet::PubRel(PubRel::new(entry.id, None)))?;
            } else {
                link.queue(&packet(entry, known, self.expiry))?;
            }
        }
        self.link = Some(link);
        Ok(())
    }

    /// Whether a message of this QoS may be sent now.
    pub fn has_room(&self, qos: u8) -> bool {
        let Some(link) = &self.link else { return false };
        let window = WINDOW.min(link.receive_maximum.into());
        link.waiting() < PREPARED && (qos == 0 || self.flight.len() < window)
    }

    /// Sends a message. One of QoS 0 comes back at once: nothing more will be heard of it.
    ///
    /// # Errors
    /// When it is larger than the server takes.
    pub fn publish(&mut self, topic: String, qos: u8, payload: String, message: T) -> Result<Option<T>> {
        let id = if qos == 0 { 0 } else { self.next_id() };
        let entry = Entry { id, released: false, topic, qos, payload, message };
        let link = self.link.as_mut().context("there is no connection")?;
        link.queue(&packet(&entry, false, self.expiry))?;
        if qos == 0 {
            return Ok(Some(entry.message));
        }
        self.flight.push_back(entry);
        Ok(None)
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.flight.iter().any(|entry| entry.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Until some bytes were written or read.
    ///
    /// # Errors
    /// When the connection is lost. Dropping the future loses nothing.
    pub async fn exchange(&mut self) -> Result<()> {
        self.link.as_mut().context("there is no connection")?.exchange().await
    }

    /// A message whose handshake has come to its end since, and how.
    ///
    /// # Errors
    /// When the server ends the connection.
    pub fn answer(&mut self) -> Result<Option<(T, Answer)>> {
        loop {
            let link = self.link.as_mut().context("there is no connection")?;
            let Some(packet) = link.take()? else { return Ok(None) };
            let (id, answer) = match packet {
                Packet::PubAck(ack) => match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => (ack.pkid, Answer::Acknowledged),
                    reason => (ack.pkid, Answer::Refused(format!("{reason:?}"))),
                },
                Packet::PubRec(received) => match received.reason {
                    PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {
                        for entry in self.flight.iter_mut().filter(|entry| entry.id == received.pkid) {
                            entry.released = true;
                        }
                        link.queue(&Packet::PubRel(PubRel::new(received.pkid, None)))?;
                        continue;
                    }
                    reason => (received.pkid, Answer::Refused(format!("{reason:?}"))),
                },
                Packet::PubComp(complete) => match complete.reason {
                    // Of one that is not found the handshake came to its end before the connection was lost.
                    PubCompReason::Success | PubCompReason::PacketIdentifierNotFound => {
                        (complete.pkid, Answer::Acknowledged)
                    }
                },
                _ => continue,
            };
            let found = self.flight.iter().position(|entry| entry.id == id);
            if let Some(entry) = found.and_then(|index| self.flight.remove(index)) {
                return Ok(Some((entry.message, answer)));
            }
        }
    }

    /// Whether everything was sent and acknowledged.
    pub fn is_idle(&self) -> bool {
        self.flight.is_empty() && self.link.as_ref().is_none_or(|link| link.waiting() == 0)
    }

    /// When the next call of [`Sender::keep_alive`] is due.
    pub fn keep_alive_due(&self) -> tokio::time::Instant {
        self.link.as_ref().map_or_else(tokio::time::Instant::now, Link::keep_alive_due)
    }

    /// As [`Link::keep_alive`].
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn keep_alive(&mut self) -> Result<()> {
        self.link.as_mut().context("there is no connection")?.keep_alive().await
    }

    /// What is in flight, given up.
    pub fn drain(&mut self) -> Vec<T> {
        self.flight.drain(..).map(|entry| entry.message).collect()
    }

    /// Says goodbye, and waits until the server has closed.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub async fn close(self, patience: Duration) -> Result<()> {
        self.link.ok_or_else(|| anyhow!("there is no connection"))?.close(patience).await
    }
}

fn packet<T>(entry: &Entry<T>, again: bool, expiry: Option<u32>) -> Packet {
    let qos = quality(entry.qos);
    let properties = expiry
        .map(|seconds| PublishProperties { message_expiry_interval: Some(seconds), ..PublishProperties::default() });
    let mut publish = Publish::new(&entry.topic, qos, entry.payload.clone(), properties);
    (publish.pkid, publish.dup) = (entry.id, again);
    Packet::Publish(publish)
}

fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn last_will(will: Will) -> LastWill {
    LastWill::new(will.topic, will.payload, quality(will.qos), false, None)
}
