//! Who was turned away for a keep alive that is too long, from Mosquitto's log.
//!
//! A client of MQTT 3 hears "identifier rejected", which says nothing of it; one of MQTT 5 is told the server's value.
//! Mosquitto 2.0.11 lets both in.

use std::collections::HashMap;

/// A client that was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedAway {
    pub client: String,
    /// Seconds that it asked for; 0: it wanted none.
    pub seconds: u32,
}

impl TurnedAway {
    /// What it asked for, in words.
    pub fn asked(&self) -> String {
        match self.seconds {
            0 => "no keep alive at all".to_owned(),
            seconds => format!("a keep alive of {seconds} s"),
        }
    }
}

/// Follows the log of a server that grants `limit` seconds.
pub struct Log {
    limit: Option<u16>,
    /// Clients that asked for more, and how much.
    asked: HashMap<String, u32>,
}

impl Log {
    /// `limit` as the server has it; None: it grants any.
    pub fn new(limit: Option<u16>) -> Self {
        Self { limit, asked: HashMap::new() }
    }

    /// Reads the next line; whom it shows to have been turned away.
    pub fn read(&mut self, line: &str) -> Option<TurnedAway> {
        let limit = u32::from(self.limit?);
        if let Some((client, seconds)) = connected(line) {
            if seconds == 0 || seconds > limit {
                self.asked.insert(client.to_owned(), seconds);
            } else {
                self.asked.remove(client);
            }
            return None;
        }
        let (client, refused) = gone(line)?;
        let seconds = self.asked.remove(client)?;
        refused.then(|| TurnedAway { client: client.to_owned(), seconds })
    }
}

/// `New client connected from ADDRESS as ID (p2, c1, k600, u'USER').`, which is written before the refusal.
fn connected(line: &str) -> Option<(&str, u32)> {
    let rest = line.split_once("New client connected from ")?.1.split_once(" as ")?.1;
    let (client, traits) = rest.rsplit_once(" (p")?;
    let seconds = traits.split(", ").find_map(|part| part.strip_prefix('k'))?;
    let digits = seconds.find(|c: char| !c.is_ascii_digit()).unwrap_or(seconds.len());
    Some((client, seconds[..digits].parse().ok()?))
}

/// Whose connection ended, and whether the server ended it over something that it would not take.
fn gone(line: &str) -> Option<(&str, bool)> {
    // 2.0
    if let Some((_, rest)) = line.split_once("Bad socket read/write on client ") {
        let (client, reason) = rest.rsplit_once(": ")?;
        return Some((client, reason.starts_with("Invalid arguments provided")));
    }
    let (head, reason) = line.split_once("Client ")?.1.rsplit_once(" disconnected")?;
    // 2.1 adds the address.
    let client = head.rsplit_once(" [").map_or(head, |(client, _)| client);
    Some((client, reason.contains("Invalid input")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned_away(limit: impl Into<Option<u16>>, lines: &[&str]) -> Vec<(String, u32)> {
        let mut log = Log::new(limit.into());
        lines.iter().filter_map(|line| log.read(line)).map(|found| (found.client, found.seconds)).collect()
    }

    /// As 2.0.21 and 2.1.2 wrote it.
    #[test]
    fn a_refusal_is_told_from_other_ends() {
        let old = [
            "New connection from 127.0.0.1:47158 on port 1883.",
            "New client connected from 127.0.0.1:47158 as watch (7) (p2, c1, k301, u'user-x').",
            "Bad socket read/write on client watch (7): Invalid arguments provided.",
            "New client connected from 127.0.0.1:47166 as modern (p5, c1, k600, u'user-x').",
            "Client modern disconnected.",
            "New client connected from 127.0.0.1:47166 as short (p2, c1, k60).",
            "Bad socket read/write on client short: Invalid arguments provided.",
            "New client connected from 127.0.0.1:47192 as raw-0 (p2, c1, k0).",
            "Bad socket read/write on client raw-0: Invalid arguments provided.",
        ];
        assert_eq!(turned_away(300, &old), [("watch (7)".to_owned(), 301), ("raw-0".to_owned(), 0)]);
        assert!(turned_away(None, &old).is_empty(), "no limit turns nobody away");
        assert_eq!(turned_away(400, &old), [("raw-0".to_owned(), 0)]);
        let new = [
            "New client connected from 127.0.0.1:39706 as cid (p4, c1, k600, u'user-x').",
            "Client cid [127.0.0.1:39706] disconnected: bad socket read/write: Invalid input",
            "New client connected from 127.0.0.1:39708 as five (p5, c1, k600, u'user-x').",
            "Client five [127.0.0.1:39708] disconnected.",
        ];
        assert_eq!(turned_away(300, &new), [("cid".to_owned(), 600)]);
    }
}
