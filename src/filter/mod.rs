//! Which messages are wanted: jq over the envelope, patterns over payload, key and headers.

pub(crate) mod caret;
mod query;

use std::sync::{Mutex, PoisonError};

use regex::bytes::{Regex, RegexBuilder};

pub use query::{Query, Wrong};

use crate::about::Remedy;
use crate::failure::Failure;
use crate::message::View;
use crate::message::envelope::Writer;
use crate::pattern::fits;

/// What the user asked for, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Wishes<'a> {
    pub query: Option<&'a str>,
    pub grep: Option<&'a str>,
    pub ignore_case: bool,
    /// `*` stands for any letters.
    pub key: Option<&'a str>,
    /// Names, each with a value where it matters, in which `*` stands for any letters.
    pub headers: &'a [(String, Option<String>)],
}

/// All of them must hold.
pub struct Filter {
    query: Option<Query>,
    grep: Option<Regex>,
    key: Option<String>,
    headers: Vec<(String, Option<String>)>,
    scratch: Mutex<Scratch>,
}

#[derive(Default)]
struct Scratch {
    writer: Writer,
    line: Vec<u8>,
    problem: Option<String>,
}

impl Filter {
    /// # Errors
    /// [`Failure::Usage`] that points at what is wrong with an expression.
    pub fn new(wishes: &Wishes<'_>) -> Result<Self, Failure> {
        let grep = wishes.grep.map(|pattern| {
            let built = RegexBuilder::new(pattern).case_insensitive(wishes.ignore_case).build();
            // The library's own words hold the pattern and a caret.
            built.map_err(|error| Failure::Usage {
                cause: format!("--grep: {error}"),
                remedy: Remedy::words("it is a regular expression, such as 'fall|panic'; -i ignores case"),
            })
        });
        Ok(Self {
            query: wishes.query.map(|text| Query::compile("--where", text)).transpose()?,
            grep: grep.transpose()?,
            key: wishes.key.map(str::to_owned),
            headers: wishes.headers.to_vec(),
            scratch: Mutex::default(),
        })
    }

    /// Whether nothing is filtered out.
    pub fn is_empty(&self) -> bool {
        self.query.is_none() && self.grep.is_none() && self.key.is_none() && self.headers.is_empty()
    }

    /// Whether a message is wanted. One that the expression cannot be applied to is not.
    pub fn wants(&self, message: &View<'_>) -> bool {
        self.key.as_ref().is_none_or(|pattern| has_text(message.key, pattern))
            && self.headers.iter().all(|wish| has_header(message, wish))
            && self.grep.as_ref().is_none_or(|grep| message.value.is_some_and(|value| grep.is_match(value)))
            && self.query.as_ref().is_none_or(|query| self.holds(query, message))
    }

    fn holds(&self, query: &Query, message: &View<'_>) -> bool {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let Scratch { writer, line, problem } = &mut *scratch;
        line.clear();
        writer.write(message, line);
        match query.is_true(line) {
            Ok(holds) => holds,
            Err(words) => {
                problem.get_or_insert(words);
                false
            }
        }
    }

    /// Why the expression could not be applied to the first message of which that is so; once.
    pub fn take_problem(&self) -> Option<String> {
        self.query.as_ref()?;
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        // An empty one stands for what was told already.
        let problem = scratch.problem.as_mut().filter(|problem| !problem.is_empty())?;
        Some(std::mem::take(problem))
    }
}

fn has_text(bytes: Option<&[u8]>, pattern: &str) -> bool {
    bytes.is_some_and(|bytes| str::from_utf8(bytes).map_or(pattern == "*", |text| fits(pattern, text)))
}

fn has_header(message: &View<'_>, (name, value): &(String, Option<String>)) -> bool {
    let mut same_name = message.headers.iter().filter(|(given, _)| given.as_ref() == name.as_bytes());
    match value {
        None => same_name.next().is_some(),
        Some(pattern) => same_name.any(|(_, value)| has_text(*value, pattern)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Broker, Message};

    fn message() -> Message {
        Message {
            broker: Broker::Kafka,
            topic: "device.alerts".to_owned(),
            partition: Some(0),
            offset: Some(7),
            qos: None,
            retained: None,
            key: Some(b"device-12345".to_vec()),
            headers: vec![(b"source".to_vec(), Some(b"bridge".to_vec())), (b"null".to_vec(), None)],
            properties: None,
            time: 0,
            value: Some(br#"{"type":"FALL","confidence":0.93}"#.to_vec()),
        }
    }

    fn wants(wishes: &Wishes<'_>) -> bool {
        Filter::new(wishes).unwrap().wants(&message().view())
    }

    #[test]
    fn every_wish_must_hold() {
        let none = Wishes::default();
        assert!(wants(&none));
        assert!(wants(&Wishes { query: Some(r#".value.type == "FALL" and .offset == 7"#), ..none.clone() }));
        assert!(!wants(&Wishes { query: Some(".value.confidence > 0.95"), ..none.clone() }));
        assert!(!wants(&Wishes { grep: Some("fall"), ..none.clone() }));
        assert!(wants(&Wishes { grep: Some("fall"), ignore_case: true, ..none.clone() }));
        assert!(wants(&Wishes { key: Some("device-*"), ..none.clone() }));
        assert!(!wants(&Wishes { key: Some("device"), ..none.clone() }));
        let header = |name: &str, value: Option<&str>| [(name.to_owned(), value.map(str::to_owned))];
        assert!(wants(&Wishes { headers: &header("source", Some("bri*")), ..none.clone() }));
        assert!(wants(&Wishes { headers: &header("null", None), ..none.clone() }));
        assert!(!wants(&Wishes { headers: &header("null", Some("*")), ..none.clone() }));
        assert!(!wants(&Wishes { grep: Some("FALL"), key: Some("other"), ..none }));
    }

    #[test]
    fn what_cannot_be_applied_is_said_once() {
        let filter = Filter::new(&Wishes { query: Some(".offset.x"), ..Wishes::default() }).unwrap();
        assert!(!filter.wants(&message().view()));
        assert!(!filter.wants(&message().view()));
        assert!(filter.take_problem().is_some());
        assert!(!filter.wants(&message().view()));
        assert!(filter.take_problem().is_none());
    }

    #[test]
    fn a_bad_pattern_is_pointed_at() {
        let failure = Filter::new(&Wishes { grep: Some("fall("), ..Wishes::default() }).err().unwrap();
        assert!(failure.to_string().contains('^'), "{failure}");
    }
}
