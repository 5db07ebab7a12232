//! Which messages the server waits for an answer to, and when each may leave: in the order of receipt, as MQTT 5 asks
//! (4.6), and never before what became of the message is safe.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What tells two messages with the same packet id apart, within this process.
pub fn digest(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, payload).hash(&mut hasher);
    hasher.finish()
}

/// A message that the server sent at QoS 1 or 2.
pub type Number = u64;

/// An answer that may leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// To QoS 1.
    PubAck(u16),
    /// To QoS 2.
    PubRec(u16),
}

/// What a message of this packet id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Never seen: it is to be delivered under this number.
    New(Number),
    /// The server sends again what we have in hand: it is delivered once and answered once.
    Before,
}

struct Message {
    packet: u16,
    twice: bool,
    /// What has to be safe yet; the message itself counts as one until it was mapped.
    parts: u32,
    digest: u64,
    answered: bool,
    /// On which the server sent it last.
    connection: u64,
}

/// All messages that are not settled between the server and us.
#[derive(Default)]
pub struct Acks {
    next: Number,
    messages: HashMap<Number, Message>,
    by_packet: HashMap<u16, Number>,
    /// At QoS 1 and at QoS 2: each has an order of its own.
    order: [VecDeque<Number>; 2],
    connection: u64,
}

impl Acks {
    /// A message arrived; for `digest` see [`digest`]. No server sends a message again on the same connection (MQTT 5, 4.4):
    /// one that looks so is another one, from a server that has run out of packet ids.
    pub fn arrived(&mut self, packet: u16, twice: bool, digest: u64) -> Seen {
        if let Some(number) = self.by_packet.get(&packet).copied()
            && let Some(message) = self.messages.get_mut(&number)
            && message.digest == digest
            && message.twice == twice
            && message.connection != self.connection
        {
            message.answered = false;
            message.connection = self.connection;
            self.order[usize::from(twice)].push_back(number);
            return Seen::Before;
        }
        let (number, connection) = (self.next, self.connection);
        self.next += 1;
        self.messages.insert(number, Message { packet, twice, parts: 1, digest, answered: false, connection });
        self.by_packet.insert(packet, number);
        self.order[usize::from(twice)].push_back(number);
        Seen::New(number)
    }

    /// One more thing has to be safe before the message is.
    pub fn add_part(&mut self, number: Number) {
        if let Some(message) = self.messages.get_mut(&number) {
            message.parts += 1;
        }
    }

    /// One thing of the message is safe.
    pub fn part_safe(&mut self, number: Number) {
        let Some(message) = self.messages.get_mut(&number) else { return };
        message.parts -= 1;
        // Nobody waits for the answer of a session that is gone.
        if message.parts == 0 && self.by_packet.get(&message.packet) != Some(&number) {
            self.messages.remove(&number);
        }
    }

    /// The next answer that may leave on this connection.
    pub fn next_answer(&mut self) -> Option<Answer> {
        for twice in [true, false] {
            let order = &mut self.order[usize::from(twice)];
            let Some(number) = order.front().copied() else { continue };
            let Some(message) = self.messages.get_mut(&number) else {
                order.pop_front();
                return self.next_answer();
            };
            if message.parts > 0 {
                continue;
            }
            order.pop_front();
            let packet = message.packet;
            message.answered = true;
            if twice {
                return Some(Answer::PubRec(packet));
            }
            self.messages.remove(&number);
            self.by_packet.remove(&packet);
            return Some(Answer::PubAck(packet));
        }
        None
    }

    /// The server has released a packet id at QoS 2: whatever has it from now on is another message.
    pub fn released(&mut self, packet: u16) {
        if let Some(number) = self.by_packet.get(&packet).copied()
            && self.messages.get(&number).is_some_and(|message| message.twice && message.answered)
        {
            self.by_packet.remove(&packet);
            self.messages.remove(&number);
        }
    }

    /// Another connection of the same session: the server sends again what was not answered.
    pub fn connected_again(&mut self) {
        self.connection += 1;
        self.order.iter_mut().for_each(VecDeque::clear);
    }

    /// Another session: packet ids mean nothing any more.
    pub fn session_lost(&mut self) {
        self.connected_again();
        self.by_packet.clear();
        self.messages.retain(|_, message| message.parts > 0);
    }

    /// How many messages wait for something to be safe.
    pub fn waiting(&self) -> usize {
        self.messages.values().filter(|message| message.parts > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(acks: &mut Acks, packet: u16, twice: bool) -> Number {
        match acks.arrived(packet, twice, u64::from(packet)) {
            Seen::New(number) => number,
            Seen::Before => panic!("packet {packet} was never sent"),
        }
    }

    fn answers(acks: &mut Acks) -> Vec<Answer> {
        std::iter::from_fn(|| acks.next_answer()).collect()
    }

    #[test]
    fn answers_leave_in_the_order_of_receipt_each_qos_for_itself() {
        let mut acks = Acks::default();
        let (first, second, third) = (new(&mut acks, 1, false), new(&mut acks, 2, false), new(&mut acks, 3, true));
        acks.part_safe(second);
        assert_eq!(answers(&mut acks), [], "the first one is not safe yet");
        acks.part_safe(third);
        assert_eq!(answers(&mut acks), [Answer::PubRec(3)]);
        acks.part_safe(first);
        assert_eq!(answers(&mut acks), [Answer::PubAck(1), Answer::PubAck(2)]);
    }

    #[test]
    fn a_message_is_safe_when_all_that_came_of_it_is() {
        let mut acks = Acks::default();
        let number = new(&mut acks, 1, false);
        acks.add_part(number);
        acks.add_part(number);
        acks.part_safe(number);
        acks.part_safe(number);
        assert_eq!(answers(&mut acks), []);
        acks.part_safe(number);
        assert_eq!(answers(&mut acks), [Answer::PubAck(1)]);
    }

    #[test]
    fn what_is_sent_again_is_delivered_once() {
        let mut acks = Acks::default();
        let number = new(&mut acks, 1, false);
        acks.connected_again();
        acks.part_safe(number);
        assert_eq!(answers(&mut acks), [], "the server has not sent it on this connection");
        assert_eq!(acks.arrived(1, false, 1), Seen::Before);
        assert_eq!(answers(&mut acks), [Answer::PubAck(1)]);
        assert_ne!(new(&mut acks, 1, false), number, "the id is free again");
    }

    #[test]
    fn a_lost_pubrec_is_said_again_until_the_id_is_released() {
        let mut acks = Acks::default();
        let number = new(&mut acks, 7, true);
        acks.part_safe(number);
        assert_eq!(answers(&mut acks), [Answer::PubRec(7)]);
        acks.connected_again();
        assert_eq!(acks.arrived(7, true, 7), Seen::Before);
        assert_eq!(answers(&mut acks), [Answer::PubRec(7)]);
        acks.released(7);
        new(&mut acks, 7, true);
    }

    #[test]
    fn two_messages_that_are_alike_stay_two() {
        let mut acks = Acks::default();
        let (first, second) = (acks.arrived(1, true, 5), acks.arrived(2, true, 5));
        assert!(matches!((first, second), (Seen::New(a), Seen::New(b)) if a != b));
    }

    /// Nothing becomes safe, and the connection is lost and made again: the server sends all of it again, and is answered in
    /// order as soon as it may be. Not in quadratic time either.
    #[test]
    fn every_packet_id_may_be_in_flight() {
        let mut acks = Acks::default();
        let all = 1..=u16::MAX;
        let numbers: Vec<Number> = all.clone().map(|packet| new(&mut acks, packet, packet % 2 == 0)).collect();
        assert_eq!((answers(&mut acks).len(), acks.waiting()), (0, 65_535));
        for _ in 0..3 {
            acks.connected_again();
            for packet in all.clone() {
                assert_eq!(acks.arrived(packet, packet % 2 == 0, u64::from(packet)), Seen::Before);
            }
        }
        for number in numbers {
            acks.part_safe(number);
        }
        let answers = answers(&mut acks);
        let (recs, pubacks): (Vec<Answer>, Vec<Answer>) =
            answers.iter().partition(|answer| matches!(answer, Answer::PubRec(_)));
        assert_eq!(recs, all.clone().filter(|packet| packet % 2 == 0).map(Answer::PubRec).collect::<Vec<_>>());
        assert_eq!(pubacks, all.clone().filter(|packet| packet % 2 == 1).map(Answer::PubAck).collect::<Vec<_>>());
        for packet in all.filter(|packet| packet % 2 == 0) {
            acks.released(packet);
        }
        assert!(acks.messages.is_empty() && acks.by_packet.is_empty() && acks.order.iter().all(VecDeque::is_empty));
    }

    /// As Mosquitto does when 65,535 messages have passed one that is not answered: presses are alike, and still two.
    #[test]
    fn a_packet_id_that_is_given_away_twice_means_two_messages() {
        let mut acks = Acks::default();
        let (first, second) = (new(&mut acks, 7, true), new(&mut acks, 7, true));
        assert_ne!(first, second);
        acks.part_safe(first);
        acks.part_safe(second);
        assert_eq!(answers(&mut acks), [Answer::PubRec(7)], "it stands for both");
    }

    #[test]
    fn a_new_session_owes_nothing_to_the_old_one() {
        let mut acks = Acks::default();
        let number = new(&mut acks, 1, false);
        acks.session_lost();
        let other = new(&mut acks, 1, false);
        acks.part_safe(number);
        assert_eq!(answers(&mut acks), [], "it was the old session's");
        acks.part_safe(other);
        assert_eq!(answers(&mut acks), [Answer::PubAck(1)]);
        assert_eq!(acks.waiting(), 0);
    }
}
