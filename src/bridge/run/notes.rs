//! Messages at QoS 2 that are noted on disk before anything comes of them, and packet ids that are free again when that
//! is noted.

use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::mapping::Task;
use crate::bridge::event_id::EventId;
use crate::bridge::journal::{Digest, Receipts};

/// A packet id that is free again.
pub struct Freed {
    /// The connection on which the server released it.
    pub connection: u64,
    pub packet: u16,
}

/// What is on disk.
pub enum Noted {
    Message(Task),
    Packet(Freed),
}

/// In order, each with what says that it is on disk.
struct Queue<T>(VecDeque<(BoxFuture<'static, Result<()>>, T)>);

impl<T> Queue<T> {
    async fn next(&mut self) -> Result<T> {
        let Some((noted, _)) = self.0.front_mut() else { return std::future::pending().await };
        noted.await?;
        let (_, what) = self.0.pop_front().context("what was noted is at the front")?;
        Ok(what)
    }

    /// The next one that is on disk already; with `anyway`, whether it is or not.
    fn take(&mut self, anyway: bool) -> Result<Option<T>> {
        let Some((noted, _)) = self.0.front_mut() else { return Ok(None) };
        match noted.now_or_never() {
            Some(noted) => noted?,
            None if anyway => {}
            None => return Ok(None),
        }
        Ok(self.0.pop_front().map(|(_, what)| what))
    }
}

/// See the module.
pub struct Notes {
    messages: Queue<Task>,
    packets: Queue<Freed>,
}

impl Default for Notes {
    fn default() -> Self {
        Self { messages: Queue(VecDeque::new()), packets: Queue(VecDeque::new()) }
    }
}

impl Notes {
    /// Notes a message: sent again after a kill, it is the same event.
    pub fn message(&mut self, receipts: &Receipts, session: &str, packet: u16, mut task: Task) {
        let digest = Digest::of(&task.received.topic, &task.received.payload);
        let known = receipts.recall(session, packet, &digest).and_then(|id| id.parse().ok());
        let event_id = known.map_or_else(|| task.mapper.event_id(&task.received), EventId::Stable);
        let noted = receipts.remember(session, packet, digest, &event_id.id().to_string());
        task.at.event_id = Some(event_id);
        self.messages.0.push_back((Box::pin(noted), task));
    }

    /// Notes that a packet id was released.
    pub fn released(&mut self, receipts: &Receipts, session: &str, connection: u64, packet: u16) {
        self.packets.0.push_back((Box::pin(receipts.forget(session, packet)), Freed { connection, packet }));
    }

    /// The next message that may go on. Where the disk takes nothing, all may: a press does not wait for room on a disk,
    /// and only a kill before there is some can make two events of it.
    ///
    /// # Errors
    /// When the journal is closed.
    pub fn take_message(&mut self, receipts: &Receipts) -> Result<Option<Task>> {
        self.messages.take(receipts.problem().is_some())
    }

    /// The next packet id that is free; where the disk takes nothing, as above, or Mosquitto would run out of them.
    ///
    /// # Errors
    /// When the journal is closed.
    pub fn take_packet(&mut self, receipts: &Receipts) -> Result<Option<Freed>> {
        self.packets.take(receipts.problem().is_some())
    }

    /// The next one of either kind that is on disk. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the journal is closed.
    pub async fn next(&mut self) -> Result<Noted> {
        tokio::select! {
            message = self.messages.next() => message.map(Noted::Message),
            packet = self.packets.next() => packet.map(Noted::Packet),
        }
    }

    /// Whether a message waits.
    pub fn has_messages(&self) -> bool {
        !self.messages.0.is_empty()
    }
}
