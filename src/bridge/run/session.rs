//! The session at Mosquitto: connections that take it up, what it is subscribed to, and the answers that it is owed.

use anyhow::Result;

use super::acks::{Acks, Answer};
use super::happening::Happening;
use super::identity::Identity;
use super::parts::Parts;
use super::uplink::Uplink;
use crate::message::now;
use crate::mqtt::inbox::{Change, Inbox};
use crate::mqtt::subscribe::is_refused_filter;

/// See the module.
pub struct Session {
    pub identity: Identity,
    pub acks: Acks,
    pub uplink: Uplink,
    /// The routes have changed, and it was not told yet that the subscriptions follow them.
    follows: bool,
    /// Presses of the probe were among what was asked last.
    probes: bool,
}

impl Session {
    /// Not connected yet.
    ///
    /// # Errors
    /// When the identity cannot be read or kept.
    pub fn new(parts: &Parts) -> Result<Self> {
        let identity = Identity::ensure(parts.journal.directory())?;
        Ok(Self {
            identity,
            acks: Acks::default(),
            uplink: Uplink::new(parts.mqtt.clone()),
            follows: false,
            probes: false,
        })
    }

    /// Begins to make a connection.
    pub fn connect(&mut self, parts: &mut Parts) {
        parts.mapper.borrow_and_update();
        let change = self.wanted(parts);
        self.uplink.connect(self.identity.client_id(), change);
    }

    /// The routes have changed: what they do not take any more is not to come any more, and everything else as before.
    pub fn follow(&mut self, parts: &mut Parts) {
        self.follows = true;
        if self.uplink.inbox().is_none() {
            return self.connect(parts);
        }
        parts.mapper.borrow_and_update();
        self.change(parts);
    }

    /// What is to be subscribed to may have changed but for the routes: where there is a connection, it follows.
    pub fn adjust(&mut self, parts: &Parts) {
        if self.probes != parts.provable.subscribes() {
            self.change(parts);
        }
    }

    fn change(&mut self, parts: &Parts) {
        if self.uplink.inbox().is_none() {
            return;
        }
        let change = self.wanted(parts);
        let changed = self.uplink.inbox().map_or(Ok(()), |inbox| inbox.change(&change));
        if let Err(error) = changed {
            self.lost(&error, parts);
        }
    }

    fn wanted(&mut self, parts: &Parts) -> Change {
        self.probes = parts.provable.subscribes();
        let mapper = parts.mapper.borrow();
        self.identity.subscribe(mapper.routes(), parts.share.as_deref(), self.probes)
    }

    /// The subscriptions are as the routes say.
    pub fn changed(&mut self, parts: &Parts) {
        self.identity.subscribed();
        let is_provable = self.probes && self.uplink.inbox().is_some_and(|inbox| !inbox.has_declined());
        parts.metrics.provable.set(is_provable.into());
        if std::mem::take(&mut self.follows) {
            (parts.tell)(Happening::Resubscribed);
        }
    }

    /// There is a connection, subscribed.
    pub fn opened(&mut self, inbox: Box<Inbox>, parts: &Parts) {
        let now = now();
        let resumed = inbox.session_present() && self.identity.expected().is_some();
        if resumed {
            self.acks.connected_again();
            self.identity.seen(now);
        } else {
            if let Some(since) = self.identity.expected() {
                parts.metrics.sessions_lost.inc();
                (parts.tell)(Happening::SessionLost { since, now });
            }
            self.identity.begin(now);
            self.acks.session_lost();
            // Whatever is noted later comes after it on disk.
            drop(parts.journal.receipts().begin_session(self.identity.session()));
        }
        self.uplink.up(inbox);
        parts.metrics.connected.set(1);
        (parts.tell)(Happening::Connected { resumed });
        parts.probe.subscribed();
        // Where the routes changed while there was no connection, or it was lost before the server had answered.
        self.changed(parts);
        self.adjust(parts);
    }

    /// The connection is lost, or could not be made.
    pub fn lost(&mut self, error: &anyhow::Error, parts: &Parts) {
        if is_refused_filter(error) {
            self.identity.refused();
        }
        let (was_up, news) = self.uplink.lost(error);
        parts.metrics.reconnects.inc_by(u64::from(was_up));
        parts.metrics.connected.set(0);
        parts.metrics.provable.set(0);
        if let Some(cause) = news {
            (parts.tell)(Happening::Disconnected { cause });
        }
    }

    /// Says to Mosquitto what may be said.
    ///
    /// # Errors
    /// As for [`Inbox::acknowledge`].
    pub fn answer(&mut self) -> Result<()> {
        let Some(inbox) = self.uplink.inbox() else { return Ok(()) };
        while let Some(answer) = self.acks.next_answer() {
            match answer {
                Answer::PubAck(packet) => inbox.acknowledge(packet)?,
                Answer::PubRec(packet) => inbox.receive(packet)?,
            }
        }
        Ok(())
    }
}
