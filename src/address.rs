//! What a message address means: a Kafka topic or an MQTT topic filter.

use crate::about::Remedy;
use crate::failure::Failure;
use crate::message::mqtt;
use crate::stack::rules;

/// Where messages go to or come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Kafka(String),
    Mqtt(String),
}

impl Address {
    /// A slash or an MQTT wildcard makes it MQTT's, else it is Kafka's; `kafka:` and `mqtt:` settle the rest.
    ///
    /// # Errors
    /// [`Failure::Usage`] when neither broker could have such a name.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let address = match text.split_once(':') {
            Some(("kafka", topic)) => Self::Kafka(topic.to_owned()),
            Some(("mqtt", filter)) => Self::Mqtt(filter.to_owned()),
            _ if text.contains(['/', '#', '+']) => Self::Mqtt(text.to_owned()),
            _ => Self::Kafka(text.to_owned()),
        };
        let problem = match &address {
            Self::Kafka(topic) => kafka_problem(topic),
            Self::Mqtt(filter) => filter_problem(filter),
        };
        match problem {
            None => Ok(address),
            Some(problem) => Err(refuse(text, problem)),
        }
    }

    /// The topic or filter, without a prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Kafka(name) | Self::Mqtt(name) => name,
        }
    }

    /// As [`Address::parse`], for one single topic to send to.
    ///
    /// # Errors
    /// [`Failure::Usage`] also when it holds a wildcard.
    pub fn parse_single(text: &str) -> Result<Self, Failure> {
        let address = Self::parse(text)?;
        let has_wildcard = match &address {
            Self::Kafka(topic) => topic.contains('*'),
            Self::Mqtt(topic) => topic.contains(['#', '+']),
        };
        if has_wildcard {
            return Err(refuse(text, "a message goes to exactly one topic, so wildcards are not allowed"));
        }
        Ok(address)
    }
}

fn refuse(text: &str, problem: &str) -> Failure {
    const SHOWN: usize = 60;
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    Failure::Usage {
        cause: format!("{start:?}{rest} is not a valid topic: {problem}"),
        remedy: Remedy::words("a Kafka topic is written emergency.created, an MQTT topic device/device-12345/alert"),
    }
}

/// A pattern's `*` stands for characters that a name may hold.
fn kafka_problem(topic: &str) -> Option<&'static str> {
    rules::topic_problem(&topic.replace('*', "_"))
}

/// Why no MQTT server takes this as a topic filter.
pub fn filter_problem(filter: &str) -> Option<&'static str> {
    if let Some(problem) = mqtt::topic_problem(filter) {
        return Some(problem);
    }
    let levels: Vec<&str> = filter.split('/').collect();
    let (last, others) = levels.split_last()?;
    if others.iter().any(|level| level.contains('#')) || (last.contains('#') && *last != "#") {
        Some("# must be the whole last level")
    } else if levels.iter().any(|level| level.contains('+') && *level != "+") {
        Some("+ must be a whole level")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka(topic: &str) -> Address {
        Address::Kafka(topic.to_owned())
    }

    fn mqtt(filter: &str) -> Address {
        Address::Mqtt(filter.to_owned())
    }

    #[test]
    fn the_shape_tells_the_broker() {
        assert_eq!(Address::parse("emergency.created").unwrap(), kafka("emergency.created"));
        assert_eq!(Address::parse("emergency.*").unwrap(), kafka("emergency.*"));
        assert_eq!(Address::parse("device/+/alert").unwrap(), mqtt("device/+/alert"));
        assert_eq!(Address::parse("#").unwrap(), mqtt("#"));
        assert_eq!(Address::parse("mqtt:status").unwrap(), mqtt("status"));
        assert_eq!(Address::parse("kafka:status").unwrap(), kafka("status"));
    }

    #[test]
    fn names_that_no_broker_has_are_refused_in_words() {
        let words = |text: &str| Address::parse(text).unwrap_err().to_string();
        assert_eq!(words("a/#/b"), "\"a/#/b\" is not a valid topic: # must be the whole last level");
        assert_eq!(words("a/b+"), r#""a/b+" is not a valid topic: + must be a whole level"#);
        assert!(words("a/\n").contains("must not contain control characters"));
        let long = words(&format!("a/{}", "b".repeat(65_535)));
        assert!(
            long.len() < 200 && long.contains("b\"… is not a valid topic: an MQTT topic has at most 65,535"),
            "{long}"
        );
        assert!(words("emergency created").contains("only letters"));
        assert!(words("kafka:").contains("empty"));
        assert!(Address::parse_single("device/+/alert").unwrap_err().to_string().contains("wildcards are not allowed"));
        assert!(Address::parse_single("emergency.*").unwrap_err().to_string().contains("wildcards are not allowed"));
    }
}
