//! A session that outlives its connections: what a bridge receives by, and answers for itself.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAck, PubComp, PubRec, Publish, RetainForwardRule};
use tokio::time::timeout;

use super::access::Access;
use super::link::{Link, Session};
use super::subscribe::{qos_of, subscribe};

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub filter: String,
    /// At most 0, 1 or 2.
    pub qos: u8,
    /// Whether a new subscription gets what the server has kept for it.
    pub retained: bool,
}

/// What the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Message(Delivery),
    /// The server knows of our PUBREC for this packet id; it waits for PUBCOMP.
    Released(u16),
}

/// A message as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub topic: String,
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Kept by the server from before the subscription.
    pub retained: bool,
    /// Sent before, as the server remembers it.
    pub duplicate: bool,
    /// To answer by; 0 at QoS 0.
    pub packet: u16,
    /// The publisher's user properties, in order.
    pub properties: Vec<(String, String)>,
}

/// A connection of the session, subscribed.
pub struct Inbox {
    link: Link,
}

impl Inbox {
    /// Connects and subscribes.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the login or a filter, or takes longer than `patience`.
    pub async fn open(access: &Access, session: &Session, wanted: &[Wanted], patience: Duration) -> Result<Self> {
        let filter = |wanted: &Wanted| Filter {
            retain_forward_rule: if wanted.retained {
                RetainForwardRule::OnNewSubscribe
            } else {
                RetainForwardRule::Never
            },
            ..Filter::new(wanted.filter.clone(), qos_of(wanted.qos))
        };
        let filters: Vec<Filter> = wanted.iter().map(filter).collect();
        let open = async {
            let mut link = Link::open(access, session, patience).await?;
            subscribe(&mut link, &filters).await?;
            anyhow::Ok(Self { link })
        };
        let opened = timeout(patience, open).await;
        opened.with_context(|| format!("{} did not answer within {patience:?}", access.address))?
    }

    /// Whether the server knew the session from before.
    pub fn session_present(&self) -> bool {
        self.link.session_present
    }

    /// What was read already.
    ///
    /// # Errors
    /// When the server ends the connection, or does not keep to the protocol.
    pub fn take(&mut self) -> Result<Option<Incoming>> {
        while let Some(packet) = self.link.take()? {
            match packet {
                Packet::Publish(message) => return Ok(Some(Incoming::Message(delivery(message)))),
                Packet::PubRel(release) => return Ok(Some(Incoming::Released(release.pkid))),
                _ => {}
            }
        }
        Ok(None)
    }

    /// At QoS 1: the message is ours now.
    ///
    /// # Errors
    /// Never for a packet so small, as far as the codec is concerned.
    pub fn acknowledge(&mut self, packet: u16) -> Result<()> {
        self.link.queue(&Packet::PubAck(PubAck::new(packet, None)))
    }

    /// At QoS 2: the message is ours now.
    ///
    /// # Errors
    /// As for [`Inbox::acknowledge`].
    pub fn receive(&mut self, packet: u16) -> Result<()> {
        self.link.queue(&Packet::PubRec(PubRec::new(packet, None)))
    }

    /// At QoS 2: the packet id is free again.
    ///
    /// # Errors
    /// As for [`Inbox::acknowledge`].
    pub fn complete(&mut self, packet: u16) -> Result<()> {
        self.link.queue(&Packet::PubComp(PubComp::new(packet, None)))
    }

    /// Until some bytes were written or read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn exchange(&mut self) -> Result<()> {
        self.link.exchange().await
    }

    /// Until some bytes were written; nothing is read.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn write(&mut self) -> Result<()> {
        self.link.write().await
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.link.waiting()
    }

    /// When the next call of [`Inbox::keep_alive`] is due.
    pub fn keep_alive_due(&self) -> tokio::time::Instant {
        self.link.keep_alive_due()
    }

    /// Tells the server that this end is alive, and asks the same of it.
    ///
    /// # Errors
    /// When it was asked before, and has not answered.
    pub async fn keep_alive(&mut self) -> Result<()> {
        self.link.keep_alive().await
    }

    /// Tells the server that this end is alive, while nothing is read.
    ///
    /// # Errors
    /// As for [`Inbox::acknowledge`].
    pub fn sign_of_life(&mut self) -> Result<()> {
        self.link.sign_of_life()
    }

    /// Ends the connection after all that was sent before; the session stays, and gathers messages.
    ///
    /// # Errors
    /// When that does not happen within `patience`.
    pub async fn leave(self, patience: Duration) -> Result<()> {
        self.link.leave(patience).await
    }
}

fn delivery(message: Publish) -> Delivery {
    Delivery {
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        qos: match message.qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
            QoS::ExactlyOnce => 2,
        },
        retained: message.retain,
        duplicate: message.dup,
        packet: message.pkid,
        properties: message.properties.map(|properties| properties.user_properties).unwrap_or_default(),
        payload: message.payload,
    }
}
