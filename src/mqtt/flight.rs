//! Messages whose handshake is not complete, and how many more may join them.
//!
//! A server that hangs up does not say on which message. After a loss messages are sent again slowly, beginning with
//! one at a time, so that the one on which the server hangs up each time is found, and the others get through.

use std::collections::VecDeque;

use crate::sending::Outgoing;

/// A message on which the server hung up so often, while no other was under way, is not sent again.
const STRIKES: u8 = 3;

/// A message whose handshake is not complete.
pub(super) struct Entry {
    pub(super) message: Outgoing,
    /// QoS 2: the server has it, and was told to pass it on.
    pub(super) released: bool,
    /// Whether it was sent on this connection.
    is_out: bool,
    /// How often the server hung up on it.
    strikes: u8,
}

/// All of them, by packet id.
pub(super) struct Flight {
    entries: Vec<Option<Entry>>,
    free: VecDeque<u16>,
    /// To be sent again, in the order of their lines.
    again: VecDeque<u16>,
    /// Sent on this connection.
    out: usize,
    /// As many may be.
    allowed: usize,
}

impl Flight {
    /// With room for so many; no more than 65,535.
    pub(super) fn new(window: u16) -> Self {
        let entries = (0..=window).map(|_| None).collect();
        let (free, again) = ((1..=window).collect(), VecDeque::new());
        Self { entries, free, again, out: 0, allowed: window.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() + 1 == self.entries.len()
    }

    /// Whether another message may be sent, one again or a new one.
    pub(super) fn has_room(&self) -> bool {
        self.out < self.allowed && (!self.again.is_empty() || !self.free.is_empty())
    }

    /// The next id to be sent again.
    pub(super) fn next_again(&mut self) -> Option<u16> {
        self.again.pop_front()
    }

    /// Whether some are still to be sent again.
    pub(super) fn repeats(&self) -> bool {
        !self.again.is_empty()
    }

    /// An id for a new message.
    pub(super) fn id(&mut self) -> u16 {
        self.free.pop_front().unwrap_or_default()
    }

    /// Gives back an id that was not used.
    pub(super) fn give_back(&mut self, id: u16) {
        self.free.push_back(id);
    }

    /// The message was sent with this id.
    pub(super) fn sent(&mut self, id: u16, mut entry: Entry) {
        entry.is_out = true;
        self.out += 1;
        self.entries[usize::from(id)] = Some(entry);
    }

    pub(super) fn get(&self, id: u16) -> Option<&Entry> {
        self.entries.get(usize::from(id))?.as_ref()
    }

    /// QoS 2: the server has it.
    pub(super) fn release(&mut self, id: u16) {
        if let Some(entry) = self.entries.get_mut(usize::from(id)).and_then(Option::as_mut) {
            entry.released = true;
        }
    }

    /// Takes out what is to be sent again.
    pub(super) fn take(&mut self, id: u16) -> Option<Entry> {
        self.entries.get_mut(usize::from(id)).and_then(Option::take)
    }

    /// Its handshake came to an end, which makes room for twice as many.
    pub(super) fn finish(&mut self, id: u16) -> Option<Outgoing> {
        let entry = self.take(id)?;
        self.free.push_back(id);
        self.out -= usize::from(entry.is_out);
        self.allowed = (self.allowed + 1).min(self.entries.len() - 1);
        Some(entry.message)
    }

    /// The connection was lost. Where the server may have hung up on the only message that was under way, it is counted;
    /// returns the one that is not to be sent again.
    pub(super) fn lose(&mut self, may_be_its_fault: bool) -> Option<Outgoing> {
        let alone = self.out == 1 && may_be_its_fault;
        let mut guilty = None;
        let mut ids = Vec::new();
        for (id, entry) in (0..).zip(&mut self.entries) {
            let Some(entry) = entry else { continue };
            if std::mem::take(&mut entry.is_out) && alone {
                entry.strikes += 1;
            }
            if entry.strikes >= STRIKES {
                guilty = Some(id);
            } else {
                ids.push((entry.message.number, id));
            }
        }
        ids.sort_unstable();
        self.again = ids.into_iter().map(|(_, id)| id).collect();
        self.out = 0;
        self.allowed = 1;
        let entry = self.take(guilty?)?;
        self.free.extend(guilty);
        Some(entry.message)
    }

    /// Takes out all that are like this and lets them go.
    pub(super) fn take_all(&mut self, is_it: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
        let is_one = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| is_it(&entry.message));
        let ids: Vec<u16> = (0..).zip(&self.entries).filter(|(_, entry)| is_one(entry)).map(|(id, _)| id).collect();
        self.again.retain(|id| !ids.contains(id));
        self.free.extend(&ids);
        ids.into_iter().filter_map(|id| Some(self.take(id)?.message)).collect()
    }

    /// The server takes no more than this at a time.
    pub(super) fn limit(&mut self, most: u16) {
        self.allowed = self.allowed.min(most.max(1).into());
    }

    /// Everything that is not settled, in the order of ids.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Outgoing> {
        self.again.clear();
        self.entries.iter_mut().filter_map(Option::take).map(|entry| entry.message)
    }
}

impl From<Outgoing> for Entry {
    fn from(message: Outgoing) -> Self {
        Self { message, released: false, is_out: false, strikes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn message(number: u64) -> Outgoing {
        Outgoing {
            number,
            topic: Arc::from("a/b"),
            key: None,
            headers: Arc::default(),
            properties: None,
            qos: 1,
            retain: false,
            time: None,
            value: None,
        }
    }

    fn send(flight: &mut Flight, number: u64) -> u16 {
        let id = flight.id();
        flight.sent(id, message(number).into());
        id
    }

    fn send_again(flight: &mut Flight) -> Vec<u64> {
        let mut numbers = Vec::new();
        while flight.has_room() && flight.repeats() {
            let id = flight.next_again().unwrap();
            let entry = flight.take(id).unwrap();
            numbers.push(entry.message.number);
            flight.sent(id, entry);
        }
        numbers
    }

    #[test]
    fn what_is_lost_is_sent_again_in_order_and_slowly_at_first() {
        let mut flight = Flight::new(4);
        let first = send(&mut flight, 1);
        for number in 2..=4 {
            send(&mut flight, number);
        }
        assert!(!flight.has_room());
        flight.finish(first);
        send(&mut flight, 5);
        assert!(flight.lose(true).is_none());
        assert_eq!(send_again(&mut flight), [2]);
        flight.finish(2);
        assert_eq!(send_again(&mut flight), [3, 4]);
        for id in 3..=4 {
            flight.finish(id);
        }
        assert_eq!(send_again(&mut flight), [5]);
        flight.finish(1);
        assert!(flight.is_empty() && flight.has_room());
    }

    #[test]
    fn the_message_on_which_the_server_hangs_up_is_found() {
        let mut flight = Flight::new(10);
        for number in 1..=3 {
            send(&mut flight, number);
        }
        // All of them were under way, then nobody's fault, then twice its own.
        assert!(flight.lose(true).is_none());
        for may_be in [false, true, true] {
            assert_eq!(send_again(&mut flight), [1]);
            assert!(flight.lose(may_be).is_none());
        }
        assert_eq!(send_again(&mut flight), [1]);
        assert_eq!(flight.lose(true).unwrap().number, 1);
        assert_eq!(send_again(&mut flight), [2]);
        assert_eq!(flight.drain().map(|message| message.number).collect::<Vec<_>>(), [2, 3]);
    }
}
