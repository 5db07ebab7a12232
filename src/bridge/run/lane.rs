//! One lane: what is on its way to Kafka, in order, and what had to be put into the journal meanwhile.
//!
//! A bounded window of records is in the producer's hands. While Kafka takes them, nothing else is needed. As soon as it
//! does not, for half a second or for a window's worth of records, what is in the window goes into the journal, and so
//! does everything that comes after it, until the window has caught up with the journal's end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::sync::{Notify, watch};

use super::acks::Number;
use super::doubts::Doubts;
use super::effect::{Effect, Place};
use super::flying::{Flying, Waiting, outbound, size};
use crate::bridge::journal::{Finding, Journal, Problem, Progress, Read, Reader, next_of};
use crate::bridge::record::{Lane as Kind, Record};
use crate::kafka::access::Access;
use crate::kafka::sender::{NotTaken, Outcome, Sender};

/// How long Kafka may keep a record waiting before it is put into the journal.
const SPILL_AFTER: Duration = Duration::from_millis(500);
/// Records in the producer's hands.
const WINDOW: usize = 5_000;
/// Bytes of them.
const WINDOW_BYTES: usize = 8 << 20;
/// Records that Kafka has, behind one that it does not take, such as one for a partition without a leader. All of them
/// are sent again if the bridge is killed meanwhile.
const OVERTAKING: usize = 100_000;
/// How long after a producer that could go on no more the next one is started.
const RESTART: Duration = Duration::from_secs(1);

/// See the module.
pub struct Lane {
    kind: Kind,
    access: Access,
    linger: Duration,
    wake: Arc<Notify>,
    sender: Option<Sender>,
    doubts: Doubts,
    /// Nothing is sent before it is known that the cluster is the right one.
    is_open: bool,
    /// When another sender is started; none where there is one.
    restart: Instant,
    window: VecDeque<Flying>,
    /// The number of the window's first record.
    first: u64,
    /// Of the next record that the sender is given.
    unsent: u64,
    /// Of records in the window that are not done.
    undone: usize,
    bytes: usize,
    unsynced: VecDeque<(u64, Waiting)>,
    progress: watch::Receiver<Progress>,
    /// From which the window is filled while the journal has more.
    reader: Option<Reader>,
    /// What it has read, and the window has no room for.
    batch: VecDeque<(u64, Record)>,
    /// The journal's last position.
    tail: u64,
    /// The last position that came into the window.
    taken: u64,
}

impl Lane {
    /// Begins with what the journal holds from before.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(kind: Kind, access: &Access, wake: &Arc<Notify>, journal: &Journal) -> Result<Self> {
        let linger = match kind {
            Kind::Rest => Duration::from_millis(5),
            Kind::Emergencies | Kind::Alerts => Duration::ZERO,
        };
        let progress = journal.progress(kind);
        let tail = progress.borrow().synced;
        let waiting = journal.usage().lanes.iter().find(|usage| usage.lane == kind).map_or(0, |usage| usage.records);
        Ok(Self {
            kind,
            access: access.clone(),
            linger,
            wake: Arc::clone(wake),
            sender: None,
            doubts: Doubts::default(),
            is_open: false,
            restart: Instant::now(),
            window: VecDeque::new(),
            first: 0,
            unsent: 0,
            undone: 0,
            bytes: 0,
            unsynced: VecDeque::new(),
            progress,
            reader: if waiting > 0 { Some(journal.reader(kind)?) } else { None },
            batch: VecDeque::new(),
            tail,
            taken: tail - waiting,
        })
    }

    /// Records may be sent from now on. The producer connects at once, so that the first press need not wait for it.
    ///
    /// # Errors
    /// When no producer can be started.
    pub fn open(&mut self) -> Result<()> {
        self.is_open = true;
        self.start_sender()
    }

    /// Puts everything that is not with Kafka into the journal.
    ///
    /// # Errors
    /// As for [`Lane::accept`].
    pub fn spill_all(&mut self, journal: &Journal) -> Result<()> {
        if self.undone > 0 && !self.is_spilling() { self.spill(journal) } else { Ok(()) }
    }

    /// Whether records go through the journal at the moment.
    pub fn is_spilling(&self) -> bool {
        self.reader.is_some()
    }

    /// Records in the producer's hands, or about to be.
    pub fn in_flight(&self) -> usize {
        self.undone
    }

    /// When the oldest record that is still in flight came, in milliseconds since 1970.
    pub fn oldest(&self) -> Option<i64> {
        self.window.iter().find_map(|flying| flying.record.as_ref()).map(|record| record.time)
    }

    /// Takes a record on its way; `message` is safe when it is.
    ///
    /// # Errors
    /// When no thread can be started that reads the journal.
    pub fn accept(&mut self, record: Record, message: Option<Number>, journal: &Journal) -> Result<()> {
        if !self.is_spilling() && !self.has_room() {
            self.spill(journal)?;
        }
        if self.is_spilling() {
            self.append(&record, message.map(Waiting::Message), journal);
        } else {
            self.push(record, message, 0);
        }
        Ok(())
    }

    /// Takes what a refused record became: into the journal in any case, as the refused one may be there.
    ///
    /// # Errors
    /// As for [`Lane::accept`].
    pub fn bury(&mut self, record: &Record, refused: Place, journal: &Journal) -> Result<()> {
        if !self.is_spilling() {
            self.spill(journal)?;
        }
        self.append(record, Some(Waiting::Refused(refused)), journal);
        Ok(())
    }

    /// A refused record needs nothing more.
    pub fn settle(&mut self, place: Place, journal: &Journal, effects: &mut Vec<Effect>) {
        self.done(place.number, effects);
        self.shorten(journal);
    }

    /// Why the lane's journal cannot be written at the moment.
    pub fn problem(&self) -> Option<Problem> {
        self.progress.borrow().problem.clone()
    }

    /// Until the journal has synced something, or has more records for the window. Dropping the future loses nothing.
    pub async fn moved(&mut self) -> Result<Option<Finding>> {
        let wants_more = self.has_room() && self.batch.is_empty();
        tokio::select! {
            changed = self.progress.changed() => changed.map(|()| None).context("the journal was closed"),
            read = next_of(self.reader.as_mut()), if wants_more => match read {
                Some(Ok(Read::Records(records))) => {
                    self.batch.extend(records);
                    Ok(None)
                }
                Some(Ok(Read::Damaged(finding))) => Ok(Some(finding)),
                Some(Err(error)) => Err(error),
                None => bail!("the journal was closed"),
            }
        }
    }

    fn hear_journal(&mut self, effects: &mut Vec<Effect>) {
        let position = self.progress.borrow_and_update().synced;
        while self.unsynced.front().is_some_and(|(at, _)| *at <= position) {
            let Some((_, waiting)) = self.unsynced.pop_front() else { return };
            match waiting {
                Waiting::Message(message) => effects.push(Effect::Safe(message)),
                Waiting::Refused(place) => effects.push(Effect::Buried(place)),
                Waiting::Window(number) => {
                    let message = self.flying(number).and_then(|flying| flying.message.take());
                    effects.extend(message.map(Effect::Safe));
                }
            }
        }
    }

    /// Moves everything on that can move now.
    ///
    /// # Errors
    /// When the journal cannot be read, or no producer can be started.
    pub fn work(&mut self, journal: &Journal, effects: &mut Vec<Effect>) -> Result<()> {
        self.hear_journal(effects);
        self.hear(journal, effects);
        if !self.is_spilling() && self.is_kept_waiting() {
            self.spill(journal)?;
        }
        self.refill();
        self.hand_over(effects)
    }

    fn is_kept_waiting(&self) -> bool {
        self.window.front().is_some_and(|flying| flying.since.elapsed() >= SPILL_AFTER)
    }

    fn has_room(&self) -> bool {
        self.undone < WINDOW && self.bytes < WINDOW_BYTES && self.window.len() < OVERTAKING
    }

    fn push(&mut self, record: Record, message: Option<Number>, position: u64) {
        self.bytes += size(&record);
        self.undone += 1;
        let record = Some(Box::new(record));
        self.window.push_back(Flying { record, message, position, since: Instant::now(), is_refused: false });
    }

    fn append(&mut self, record: &Record, waiting: Option<Waiting>, journal: &Journal) {
        let position = *journal.append(self.kind, std::slice::from_ref(record)).end();
        self.tail = position;
        self.unsynced.extend(waiting.map(|waiting| (position, waiting)));
    }

    /// From now on everything goes through the journal: first what is in the window, which is before all that comes.
    fn spill(&mut self, journal: &Journal) -> Result<()> {
        for (flying, number) in self.window.iter_mut().zip(self.first..) {
            if let (Some(record), 0) = (&flying.record, flying.position) {
                flying.position = *journal.append(self.kind, std::slice::from_ref(record)).end();
                self.tail = flying.position;
                self.unsynced.push_back((flying.position, Waiting::Window(number)));
            }
        }
        self.taken = self.tail;
        self.reader = Some(journal.reader(self.kind)?);
        Ok(())
    }

    fn refill(&mut self) {
        while self.has_room() && self.is_spilling() {
            if self.taken == self.tail {
                // The window holds all of it that is not delivered: what comes next may follow directly.
                if !self.is_kept_waiting() {
                    self.reader = None;
                    self.batch.clear();
                }
                return;
            }
            let Some((position, record)) = self.batch.pop_front() else { return };
            // The reader begins with what is in the window already.
            if position > self.taken {
                self.taken = position;
                self.push(record, None, position);
            }
        }
    }

    fn hand_over(&mut self, effects: &mut Vec<Effect>) -> Result<()> {
        let end = self.first + self.window.len() as u64;
        if self.unsent == end || !self.is_open {
            return Ok(());
        }
        if self.sender.is_none() {
            if Instant::now() < self.restart {
                return Ok(());
            }
            self.start_sender()?;
        }
        while self.unsent < end {
            let number = self.unsent;
            let (Some(sender), Some(flying)) = (&self.sender, self.window.get(index(number, self.first))) else {
                return Ok(());
            };
            if let (Some(record), false) = (&flying.record, flying.is_refused) {
                match sender.send(&outbound(record), number) {
                    Ok(()) => {}
                    Err(NotTaken::Full) => return Ok(()),
                    Err(NotTaken::Broken) => {
                        self.restart(RESTART);
                        return Ok(());
                    }
                    Err(NotTaken::Refused(reason)) => self.refused(number, reason, effects),
                    Err(NotTaken::Unknown(reason)) => {
                        if !self.unknown(number, reason, effects) {
                            return Ok(());
                        }
                    }
                }
            }
            self.unsent += 1;
        }
        Ok(())
    }

    fn start_sender(&mut self) -> Result<()> {
        self.sender = Some(Sender::start(&self.access, self.linger, Arc::clone(&self.wake))?);
        self.doubts.begin();
        self.unsent = self.first;
        Ok(())
    }

    fn hear(&mut self, journal: &Journal, effects: &mut Vec<Effect>) {
        let reports = self.sender.as_ref().map(Sender::reports).unwrap_or_default();
        for (number, outcome) in reports {
            match outcome {
                Outcome::Delivered => {
                    let lane = self.kind;
                    if let Some(record) = self.flying(number).and_then(|flying| flying.record.as_ref()) {
                        effects.push(Effect::delivered(lane, record));
                        let topic = Arc::clone(&record.topic);
                        self.doubts.dispel(&topic);
                    }
                    self.done(number, effects);
                }
                Outcome::Refused(reason) => self.refused(number, reason, effects),
                Outcome::Unknown(reason) => drop(self.unknown(number, reason, effects)),
                Outcome::Unsettled => self.restart(RESTART),
            }
        }
        self.shorten(journal);
    }

    fn done(&mut self, number: u64, effects: &mut Vec<Effect>) {
        let Some(flying) = self.flying(number) else { return };
        let (record, message) = (flying.record.take(), flying.message.take());
        if let Some(record) = record {
            self.undone -= 1;
            self.bytes -= size(&record);
        }
        effects.extend(message.map(Effect::Safe));
    }

    fn refused(&mut self, number: u64, reason: String, effects: &mut Vec<Effect>) {
        let place = Place { lane: self.kind, number };
        let Some(flying) = self.flying(number).filter(|flying| !flying.is_refused) else { return };
        if let Some(record) = &flying.record {
            flying.is_refused = true;
            effects.push(Effect::Refused { record: Record::clone(record), reason, place });
        }
    }

    /// Refuses a record whose topic is gone. Where it may only be unknown for now, another producer tries; then it is false.
    fn unknown(&mut self, number: u64, reason: String, effects: &mut Vec<Effect>) -> bool {
        let Some(record) = self.flying(number).and_then(|flying| flying.record.as_ref()) else { return true };
        let topic = Arc::clone(&record.topic);
        let is_gone = self.doubts.is_gone(&topic);
        if is_gone {
            self.refused(number, reason, effects);
        } else {
            self.restart(Duration::ZERO);
        }
        is_gone
    }

    /// Everything that is not known to be delivered is sent again, in order, by another producer.
    fn restart(&mut self, pause: Duration) {
        if self.sender.take().is_some() {
            self.restart = Instant::now() + pause;
        }
        self.unsent = self.first;
    }

    /// Leaves behind what is done, and tells the journal.
    fn shorten(&mut self, journal: &Journal) {
        let mut delivered = 0;
        while self.window.front().is_some_and(|flying| flying.record.is_none()) {
            let Some(flying) = self.window.pop_front() else { break };
            self.first += 1;
            delivered = delivered.max(flying.position);
        }
        self.unsent = self.unsent.max(self.first);
        if delivered > 0 {
            journal.delivered(self.kind, delivered);
        }
    }

    fn flying(&mut self, number: u64) -> Option<&mut Flying> {
        (number >= self.first).then(|| self.window.get_mut(index(number, self.first))).flatten()
    }
}

fn index(number: u64, first: u64) -> usize {
    usize::try_from(number - first).unwrap_or(usize::MAX)
}
