//! What must be known of QoS 2 after a kill: which packet ids were received and not released, and the event's id of each.
//!
//! A redelivery of a packet takes the id that it took before. A new message with the packet id of an old one takes its
//! own, as the old one was forgotten before it was released, and that is on disk before PUBCOMP leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::cursor::{Cursor, Step};
use super::finding::{Finding, Kind};
use super::lock::Lock;
use super::log::Log;
use super::recover::damaged;
use super::state::{Place, Problem, synced};
use crate::message::now;

/// The log's folder.
pub(super) const FOLDER: &str = "receipts";

/// So many bytes are written before what is still valid is written anew, and the rest goes.
const ENOUGH: usize = 1 << 20;
const SEGMENT_BYTES: u64 = 1 << 20;

const LAYOUT: u8 = 1;
const RECEIVED: u8 = 1;
const RELEASED: u8 = 2;
const BEGUN: u8 = 3;

/// What a message says, as far as two have to be told apart: SHA-256 of topic and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(topic: &str, payload: &[u8]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        context.update(&(topic.len() as u64).to_le_bytes());
        context.update(topic.as_bytes());
        context.update(payload);
        Self(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The log of packet ids; see [`super::Journal::receipts`].
pub struct Receipts {
    log: Log,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    packets: HashMap<(Arc<str>, u16), Packet>,
    /// Bytes of these packets' entries: counted, as thousands may be held while each message is noted.
    valid: usize,
    /// Bytes of entries since what is valid was last written anew.
    written: usize,
    /// What was written anew, to be kept instead of what is before when it is synced.
    renewed: Option<std::ops::RangeInclusive<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Packet {
    digest: Digest,
    event_id: Arc<str>,
    /// In milliseconds since 1970.
    at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Received { session: Arc<str>, packet_id: u16, packet: Packet },
    Released { session: Arc<str>, packet_id: u16 },
    Begun { session: Arc<str> },
}

impl Receipts {
    pub(super) fn open(place: Place, lock: Arc<Lock>) -> Result<(Self, Vec<Finding>)> {
        let place = Place { segment_bytes: SEGMENT_BYTES, ..place };
        let (log, mut findings) = Log::open(place, lock)?;
        let mut held = Held::default();
        findings.extend(replay(&log, &mut held).context("reading the receipts")?);
        Ok((Self { log, held: Mutex::new(held) }, findings))
    }

    /// The event id that this message took when it was received before in this session.
    pub fn recall(&self, session: &str, packet_id: u16, digest: &Digest) -> Option<Arc<str>> {
        let held = self.lock();
        let packet = held.packets.get(&(session.into(), packet_id))?;
        (packet.digest == *digest).then(|| Arc::clone(&packet.event_id))
    }

    /// Notes a message at once. PUBREC may leave when the future is done, which need not be polled for it to be written.
    pub fn remember(
        &self,
        session: &str,
        packet_id: u16,
        digest: Digest,
        event_id: &str,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let packet = Packet { digest, event_id: event_id.into(), at: now() };
        self.put(Change::Received { session: session.into(), packet_id, packet })
    }

    /// The packet id was released (PUBREL). PUBCOMP may leave when the future is done: a new message that takes the id
    /// must not be taken for the old one.
    pub fn forget(&self, session: &str, packet_id: u16) -> impl Future<Output = Result<()>> + Send + use<> {
        self.put(Change::Released { session: session.into(), packet_id })
    }

    /// Forgets every other session: the server began this one anew.
    pub fn begin_session(&self, session: &str) -> impl Future<Output = Result<()>> + Send + use<> {
        self.put(Change::Begun { session: session.into() })
    }

    /// The packet ids of a session that were received and not released, ascending.
    pub fn awaiting(&self, session: &str) -> Vec<u16> {
        let held = self.lock();
        let mut ids: Vec<u16> =
            held.packets.keys().filter(|(of, _)| of.as_ref() == session).map(|(_, packet_id)| *packet_id).collect();
        ids.sort_unstable();
        ids
    }

    /// Why nothing can be noted at the moment; it is tried again all the time.
    pub fn problem(&self) -> Option<Problem> {
        self.log.shared().progress.borrow().problem.clone()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.log.shared().lock().bytes()
    }

    pub(super) fn close(&self) {
        self.log.close();
    }

    fn put(&self, change: Change) -> impl Future<Output = Result<()>> + Send + use<> {
        let body = encode(&change);
        let mut held = self.lock();
        held.written += body.len();
        // Under the lock: the log's order is the order in which the changes hold.
        let position = *self.log.append([(0, body)]).end();
        held.apply(change);
        self.renew(&mut held);
        drop(held);
        synced(self.log.shared().progress.subscribe(), position)
    }

    /// Writes what is valid anew when much else is in the log, and lets go of what is before once that is synced.
    fn renew(&self, held: &mut Held) {
        if let Some(renewed) = &held.renewed {
            if self.log.shared().progress.borrow().synced >= *renewed.end() {
                self.log.delivered(renewed.start() - 1);
                held.renewed = None;
            }
            return;
        }
        if held.written >= ENOUGH.max(4 * held.valid) {
            held.written = 0;
            held.renewed = Some(self.log.append(held.encode().into_iter().map(|body| (0, body))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Received { session, packet_id, packet } => {
                self.valid += size(&session, &packet);
                let key = (session, packet_id);
                if let Some(before) = self.packets.insert(key.clone(), packet) {
                    self.valid -= size(&key.0, &before);
                }
            }
            Change::Released { session, packet_id } => {
                let key = (session, packet_id);
                if let Some(packet) = self.packets.remove(&key) {
                    self.valid -= size(&key.0, &packet);
                }
            }
            Change::Begun { session } => {
                self.packets.retain(|(of, _), _| *of == session);
                self.valid = self.packets.iter().map(|((of, _), packet)| size(of, packet)).sum();
            }
        }
    }

    fn encode(&self) -> Vec<Bytes> {
        let received = |((session, packet_id), packet): (&(Arc<str>, u16), &Packet)| {
            let (session, packet_id) = (Arc::clone(session), *packet_id);
            encode(&Change::Received { session, packet_id, packet: packet.clone() })
        };
        self.packets.iter().map(received).collect()
    }
}

/// Applies what is in the log.
fn replay(log: &Log, held: &mut Held) -> Result<Vec<Finding>> {
    let (views, delivered, place) = {
        let state = log.shared().lock();
        let views: Vec<_> = (0..state.segments.len()).map(|index| state.view(index)).collect();
        (views, state.delivered, log.shared().place.clone())
    };
    let mut findings = Vec::new();
    for view in &views {
        let file = std::fs::File::open(&view.path).with_context(|| format!("opening {}", view.path.display()))?;
        let mut cursor = Cursor::new(file, view.salt, view.name.first);
        cursor.limit(view.end, view.before);
        loop {
            let from = cursor.offset();
            match cursor.step()? {
                Step::Entry { position, .. } if position <= delivered => {}
                Step::Entry { body, .. } => {
                    let range = from..cursor.offset();
                    let unknown = || damaged(&place, &view.path, &range, Kind::Unknown, Some(1));
                    decode(body).map_or_else(|| findings.push(unknown()), |change| held.apply(change));
                }
                Step::Damaged(range) => findings.push(damaged(&place, &view.path, &range, Kind::Damaged, None)),
                Step::End => break,
            }
        }
    }
    Ok(findings)
}

/// `layout 1 · time 8 · change 1 · packet id 2 · session · digest 32? · event id?`
fn encode(change: &Change) -> Bytes {
    let (kind, at, session, packet_id) = match change {
        Change::Received { session, packet_id, packet } => (RECEIVED, packet.at, session, *packet_id),
        Change::Released { session, packet_id } => (RELEASED, 0, session, *packet_id),
        Change::Begun { session } => (BEGUN, 0, session, 0),
    };
    let mut out = BytesMut::with_capacity(128);
    out.put_u8(LAYOUT);
    out.put_i64_le(at);
    out.put_u8(kind);
    out.put_u16_le(packet_id);
    put_text(&mut out, session);
    if let Change::Received { packet, .. } = change {
        out.put_slice(&packet.digest.0);
        put_text(&mut out, &packet.event_id);
    }
    out.freeze()
}

/// Bytes of the entry of a packet that was received.
fn size(session: &str, packet: &Packet) -> usize {
    const FIXED: usize = 1 + 8 + 1 + 2 + 4 + 32 + 4;
    FIXED + session.len() + packet.event_id.len()
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u32_le(u32::try_from(text.len()).expect("ids are short"));
    out.put_slice(text.as_bytes());
}

fn decode(mut body: Bytes) -> Option<Change> {
    let body = &mut body;
    if body.try_get_u8().ok()? != LAYOUT {
        return None;
    }
    let at = body.try_get_i64_le().ok()?;
    let kind = body.try_get_u8().ok()?;
    let packet_id = body.try_get_u16_le().ok()?;
    let session = get_text(body)?;
    let change = match kind {
        RECEIVED => {
            let mut digest = Digest([0; 32]);
            body.try_copy_to_slice(&mut digest.0).ok()?;
            Change::Received { session, packet_id, packet: Packet { digest, event_id: get_text(body)?, at } }
        }
        RELEASED => Change::Released { session, packet_id },
        BEGUN => Change::Begun { session },
        _ => return None,
    };
    body.is_empty().then_some(change)
}

fn get_text(body: &mut Bytes) -> Option<Arc<str>> {
    let length = body.try_get_u32_le().ok()? as usize;
    let bytes = (length <= body.len()).then(|| body.split_to(length))?;
    Some(std::str::from_utf8(&bytes).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_valid_is_counted_as_it_would_be_written() {
        let received = |session: &str, packet_id, event_id: &str| Change::Received {
            session: session.into(),
            packet_id,
            packet: Packet { digest: Digest::of("t", b"p"), event_id: event_id.into(), at: 7 },
        };
        let released = |packet_id| Change::Released { session: "s".into(), packet_id };
        let mut held = Held::default();
        for change in [
            received("s", 1, "one"),
            received("s", 1, "the same again"),
            received("another", 1, ""),
            received("s", 2, "two"),
            released(2),
            released(2),
            Change::Begun { session: "s".into() },
            released(1),
        ] {
            held.apply(change);
            assert_eq!(held.valid, held.encode().iter().map(Bytes::len).sum::<usize>(), "{held:?}");
        }
        assert_eq!(held.valid, 0);
    }
}
