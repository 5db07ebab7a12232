//! MQTT topics in use, as a subscriber sees them: what `topic tree` shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::message::View;

/// Topics that are told apart; a flood of names must not take all memory.
const MOST: usize = 100_000;
/// Bytes of the last payload that are kept.
const BEGINNING: usize = 200;

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Census {
    topics: BTreeMap<String, Counted>,
    beyond: u64,
}

/// The topics that were heard; `sosstack topic tree --output json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Heard {
    /// What was subscribed to.
    pub filter: String,
    /// How long was listened.
    pub seconds: f64,
    /// Messages of all topics, retained ones included.
    pub messages: u64,
    /// Of them, those of topics beyond the first 100,000, which are not listed.
    pub beyond: u64,
    /// By name.
    pub topics: Vec<Topic>,
}

/// One topic.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Topic {
    pub topic: String,
    #[serde(flatten)]
    pub counted: Counted,
}

/// What came in a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counted {
    /// A retained message that was there before counts as one.
    pub messages: u64,
    /// Of their payloads.
    pub bytes: u64,
    /// Whether the server keeps a message for those who subscribe later.
    pub retained: bool,
    /// The beginning of the last payload; null where that is not text.
    pub last: Option<String>,
}

impl Census {
    /// Takes a message in.
    pub fn add(&mut self, message: &View<'_>) {
        if !self.topics.contains_key(message.topic.as_ref()) {
            if self.topics.len() >= MOST {
                self.beyond += 1;
                return;
            }
            self.topics.insert(message.topic.to_string(), Counted::default());
        }
        let Some(topic) = self.topics.get_mut(message.topic.as_ref()) else { return };
        let payload = message.value.unwrap_or_default();
        topic.messages += 1;
        topic.bytes += payload.len() as u64;
        if message.retained == Some(true) {
            // A retained message without a payload takes the kept one away.
            topic.retained = !payload.is_empty();
        }
        topic.last = beginning(payload);
    }

    /// What came within so many seconds.
    pub fn end(self, filter: &str, seconds: f64) -> Heard {
        let topics: Vec<Topic> = self.topics.into_iter().map(|(topic, counted)| Topic { topic, counted }).collect();
        let messages = topics.iter().map(|topic| topic.counted.messages).sum::<u64>() + self.beyond;
        Heard { filter: filter.to_owned(), seconds, messages, beyond: self.beyond, topics }
    }
}

/// None where it is not text.
fn beginning(payload: &[u8]) -> Option<String> {
    let cut = &payload[..payload.len().min(BEGINNING)];
    match str::from_utf8(cut) {
        Ok(text) => Some(text.to_owned()),
        // Cut in the midst of a character.
        Err(error) if error.error_len().is_none() && cut.len() < payload.len() => {
            Some(String::from_utf8_lossy(&cut[..error.valid_up_to()]).into_owned())
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::message::Broker;

    fn view<'a>(topic: &'a str, payload: &'a [u8], retained: bool) -> View<'a> {
        View {
            broker: Broker::Mqtt,
            topic: Cow::Borrowed(topic),
            partition: None,
            offset: None,
            qos: Some(0),
            retained: Some(retained),
            key: None,
            headers: Vec::new(),
            properties: None,
            time: 0,
            value: Some(payload),
        }
    }

    fn census(messages: &[(&str, &[u8], bool)]) -> Heard {
        let mut census = Census::default();
        for (topic, payload, retained) in messages {
            census.add(&view(topic, payload, *retained));
        }
        census.end("#", 1.0)
    }

    #[test]
    fn messages_are_counted_by_topic() {
        let heard = census(&[("b", b"12", false), ("a/x", b"1", true), ("b", b"\xff", false)]);
        let names: Vec<&str> = heard.topics.iter().map(|topic| topic.topic.as_str()).collect();
        assert_eq!((heard.messages, names), (3, vec!["a/x", "b"]));
        let [kept, live] = &heard.topics[..] else { panic!("{heard:?}") };
        assert_eq!(kept.counted, Counted { messages: 1, bytes: 1, retained: true, last: Some("1".to_owned()) });
        assert_eq!(live.counted, Counted { messages: 2, bytes: 3, retained: false, last: None });
    }

    #[test]
    fn an_empty_retained_message_takes_the_kept_one_away() {
        assert!(!census(&[("a", b"on", true), ("a", b"", true)]).topics[0].counted.retained);
        assert!(census(&[("a", b"on", true), ("a", b"off", false)]).topics[0].counted.retained);
    }

    #[test]
    fn only_the_beginning_of_a_payload_is_kept() {
        let long = "ü".repeat(BEGINNING);
        let shifted = format!("a{long}");
        let heard = census(&[("a", long.as_bytes(), false), ("b", shifted.as_bytes(), false)]);
        let last = |at: usize| heard.topics[at].counted.last.as_deref().unwrap();
        assert_eq!((last(0), last(1)), ("ü".repeat(100).as_str(), format!("a{}", "ü".repeat(99)).as_str()));
    }

    #[test]
    fn a_flood_of_names_is_counted() {
        let topics = (0..MOST).map(|number| (number.to_string(), Counted::default())).collect();
        let mut census = Census { topics, beyond: 0 };
        census.add(&view("new", b"", false));
        census.add(&view("7", b"", false));
        let heard = census.end("#", 1.0);
        assert_eq!((heard.topics.len(), heard.beyond, heard.messages), (MOST, 1, 2));
    }
}
