//! A session that outlives its connections: what a bridge receives by, and answers for itself.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, PubAck, PubComp, PubRec, Publish, RetainForwardRule, Subscribe, SubscribeProperties, Unsubscribe,
};
use tokio::time::timeout;

use super::access::Access;
use super::hello::Session;
use super::link::Link;
use super::subscribe::{granted, is_refused_filter, qos_of};

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub filter: String,
    /// At most 0, 1 or 2.
    pub qos: u8,
    /// Whether a new subscription gets what the server has kept for it.
    pub retained: bool,
    /// By which its messages tell that they are its own, where the server can; 1 to 268,435,455.
    pub id: Option<u32>,
    /// Whether it may be refused.
    pub optional: bool,
}

/// What is to become of a session's subscriptions. Those that it does not name stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// In this order, each in place of one with the same filter.
    pub subscribe: Vec<Wanted>,
    /// Afterwards.
    pub unsubscribe: Vec<String>,
}

/// What the server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Message(Delivery),
    /// The server knows of our PUBREC for this packet id; it waits for PUBCOMP.
    Released(u16),
    /// The server has granted every change that it was asked for.
    Changed,
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
    /// The ids of the subscriptions for which it was sent; none where they have none.
    pub subscriptions: Vec<u32>,
}

struct Asked {
    filter: String,
    optional: bool,
}

/// A connection of the session, subscribed.
pub struct Inbox {
    link: Link,
    /// What the server has not answered for, by the packet id under which it was asked.
    asked: HashMap<u16, Asked>,
    /// The server has refused what it may.
    declined: bool,
    last_asked: u16,
    /// What came before the answers.
    early: VecDeque<Incoming>,
}

impl Inbox {
    /// Connects, and returns when the subscriptions are as `change` says.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the login or a filter, or takes longer than `patience`.
    pub async fn open(access: &Access, session: &Session, change: &Change, patience: Duration) -> Result<Self> {
        let open = async {
            let link = Link::open(access, session, patience).await?;
            let mut inbox =
                Self { link, asked: HashMap::new(), declined: false, last_asked: 0, early: VecDeque::new() };
            inbox.change(change)?;
            let mut early = VecDeque::new();
            while !inbox.asked.is_empty() {
                match inbox.take()? {
                    Some(Incoming::Changed) => {}
                    Some(incoming) => early.push_back(incoming),
                    None => inbox.exchange().await?,
                }
            }
            inbox.early = early;
            anyhow::Ok(inbox)
        };
        let opened = timeout(patience, open).await;
        opened.with_context(|| format!("{} did not answer within {patience:?}", access.address))?
    }

    /// Asks the server to change the subscriptions, while messages come as before. [`Incoming::Changed`] tells that all of it
    /// is done.
    ///
    /// # Errors
    /// As for [`Inbox::acknowledge`].
    pub fn change(&mut self, change: &Change) -> Result<()> {
        self.declined = false;
        for wanted in &change.subscribe {
            let retain_forward_rule =
                if wanted.retained { RetainForwardRule::OnNewSubscribe } else { RetainForwardRule::Never };
            let filter = Filter { retain_forward_rule, ..Filter::new(wanted.filter.clone(), qos_of(wanted.qos)) };
            let id = wanted.id.filter(|_| self.link.tells_subscriptions).map(|id| id as usize);
            let properties = id.map(|id| SubscribeProperties { id: Some(id), user_properties: Vec::new() });
            // One packet each: an id is for all filters of its packet.
            let pkid = self.ask(&wanted.filter, wanted.optional);
            self.link.queue(&Packet::Subscribe(Subscribe { pkid, ..Subscribe::new(filter, properties) }))?;
        }
        for filter in &change.unsubscribe {
            let pkid = self.ask(filter, true);
            self.link.queue(&Packet::Unsubscribe(Unsubscribe { pkid, ..Unsubscribe::new(filter, None) }))?;
        }
        Ok(())
    }

    fn ask(&mut self, filter: &str, optional: bool) -> u16 {
        self.last_asked = self.last_asked.checked_add(1).unwrap_or(1);
        self.asked.insert(self.last_asked, Asked { filter: filter.to_owned(), optional });
        self.last_asked
    }

    /// Whether everything that was asked is answered now.
    fn answered(&mut self, packet: u16) -> Option<Incoming> {
        let was_asked = self.asked.remove(&packet).is_some();
        (was_asked && self.asked.is_empty()).then_some(Incoming::Changed)
    }

    /// Whether the server has refused what it may.
    pub fn has_declined(&self) -> bool {
        self.declined
    }

    /// Whether the server knew the session from before.
    pub fn session_present(&self) -> bool {
        self.link.session_present
    }

    /// What was read already.
    ///
    /// # Errors
    /// When the server ends the connection, refuses a filter, or does not keep to the protocol.
    pub fn take(&mut self) -> Result<Option<Incoming>> {
        if let Some(incoming) = self.early.pop_front() {
            return Ok(Some(incoming));
        }
        while let Some(packet) = self.link.take()? {
            let incoming = match packet {
                Packet::Publish(message) => Some(Incoming::Message(delivery(message))),
                Packet::PubRel(release) => Some(Incoming::Released(release.pkid)),
                Packet::SubAck(ack) => {
                    let asked = self.asked.get(&ack.pkid);
                    let filter = asked.map_or("", |asked| asked.filter.as_str());
                    match granted(filter, ack.return_codes.first().copied()) {
                        Err(error) if is_refused_filter(&error) && asked.is_some_and(|asked| asked.optional) => {
                            self.declined = true;
                        }
                        granted => granted?,
                    }
                    self.answered(ack.pkid)
                }
                // A subscription that the server does not end brings what no route takes, and that is all.
                Packet::UnsubAck(ack) => self.answered(ack.pkid),
                _ => None,
            };
            if incoming.is_some() {
                return Ok(incoming);
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
    let properties = message.properties.unwrap_or_default();
    let ids = properties.subscription_identifiers.into_iter();
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
        properties: properties.user_properties,
        subscriptions: ids.filter_map(|id| u32::try_from(id).ok()).collect(),
        payload: message.payload,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::endpoints::Address;
    use crate::mqtt::access::Transport;

    /// Lets anybody in, and refuses whatever is below `secret/`.
    async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let (kind, length) = (stream.read_u8().await?, stream.read_u8().await?);
            let mut packet = vec![0; length.into()];
            stream.read_exact(&mut packet).await?;
            match kind >> 4 {
                1 => stream.write_all(&[0x20, 3, 0, 0, 0]).await?,
                8 => {
                    let is_secret = packet.windows(7).any(|bytes| bytes == b"secret/");
                    let code = if is_secret { 0x87 } else { 0 };
                    stream.write_all(&[0x90, 4, packet[0], packet[1], 0, code]).await?;
                }
                _ => return Ok(()),
            }
        }
    }

    async fn opened(optional: bool) -> Result<bool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = Address { host: "127.0.0.1".to_owned(), port: listener.local_addr()?.port() };
        tokio::spawn(async move { serve(listener.accept().await?.0).await });
        let wanted =
            |filter: &str, optional| Wanted { filter: filter.to_owned(), qos: 2, retained: false, id: None, optional };
        let subscribe = vec![wanted("secret/press", optional), wanted("panic/+/press", false)];
        let change = Change { subscribe, unsubscribe: Vec::new() };
        let access = Access { address, transport: Transport::Tcp, login: None };
        let inbox = Inbox::open(&access, &Session::fresh(), &change, Duration::from_secs(20)).await?;
        Ok(inbox.has_declined())
    }

    #[tokio::test]
    async fn what_may_be_refused_keeps_nothing_else_away() {
        assert!(opened(true).await.unwrap());
        let refused = opened(false).await.unwrap_err();
        assert!(is_refused_filter(&refused), "{refused:#}");
    }
}
