//! A route's filter: an MQTT topic filter whose levels may have names, `panic/{device}/press`.

use crate::message::mqtt::topic_problem;

/// Named levels of one filter, at most.
pub(crate) const MOST_PARTS: usize = 8;

/// A filter as a route has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    levels: Vec<Level>,
    parts: Vec<String>,
    mqtt: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Text(String),
    /// `{name}`: any text, which the name stands for afterwards.
    Part,
    /// `+`
    Any,
    /// `#`, at the end: any levels, also none.
    Rest,
}

/// What the named levels of one topic are, in the order of [`Filter::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a>([&'a str; MOST_PARTS]);

impl<'a> Parts<'a> {
    pub fn get(&self, index: usize) -> &'a str {
        self.0[index]
    }
}

impl Filter {
    /// # Errors
    /// Why it is not a filter.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut filter = Self { levels: Vec::new(), parts: Vec::new(), mqtt: String::new() };
        if text.starts_with("$share/") {
            return Err("the bridge manages shared subscriptions itself; leave out $share/GROUP/".to_owned());
        }
        let count = text.split('/').count();
        for (index, level) in text.split('/').enumerate() {
            filter.push(level, index + 1 == count)?;
        }
        match topic_problem(&filter.mqtt) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(filter),
        }
    }

    fn push(&mut self, level: &str, is_last: bool) -> Result<(), String> {
        if !self.levels.is_empty() {
            self.mqtt.push('/');
        }
        let (mqtt, parsed) = match level {
            "+" => ("+", Level::Any),
            "#" if is_last => ("#", Level::Rest),
            "#" => return Err("# is only allowed at the end".to_owned()),
            level => match level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    self.name(name)?;
                    ("+", Level::Part)
                }
                None if level.contains(['{', '}']) => {
                    return Err(format!("a named part must be a whole level, such as {{device}}, unlike {level:?}"));
                }
                None if level.contains(['+', '#']) => {
                    return Err(format!("a wildcard must be a whole level, unlike {level:?}"));
                }
                None => (level, Level::Text(level.to_owned())),
            },
        };
        self.mqtt.push_str(mqtt);
        self.levels.push(parsed);
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("{name:?} is not a valid name: use letters, digits and '_', beginning with a letter"));
        }
        if RESERVED.contains(&name) {
            return Err(format!("{{{name}}} is reserved; choose another name"));
        }
        if self.parts.iter().any(|other| other == name) {
            return Err(format!("{{{name}}} appears twice"));
        }
        if self.parts.len() == MOST_PARTS {
            return Err(format!("it names more than {MOST_PARTS} levels"));
        }
        self.parts.push(name.to_owned());
        Ok(())
    }

    /// The names of its levels, in order.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// As it is subscribed to.
    pub fn mqtt(&self) -> &str {
        &self.mqtt
    }

    /// Its first level, where only one text fits that.
    pub(super) fn first(&self) -> Option<&str> {
        match self.levels.first() {
            Some(Level::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The named levels of a topic that fits (MQTT 5, 4.7); None where it does not.
    pub fn fit<'a>(&self, topic: &'a str) -> Option<Parts<'a>> {
        if topic.starts_with('$') && self.first().is_none() {
            return None;
        }
        let mut parts = [""; MOST_PARTS];
        let mut next = 0;
        let mut levels = topic.split('/');
        for level in &self.levels {
            if *level == Level::Rest {
                return Some(Parts(parts));
            }
            let given = levels.next()?;
            match level {
                Level::Text(text) if text != given => return None,
                Level::Part => {
                    parts[next] = given;
                    next += 1;
                }
                _ => {}
            }
        }
        levels.next().is_none().then_some(Parts(parts))
    }
}

/// Names that keys, headers and values know beside those of a filter's levels.
pub(super) const RESERVED: [&str; 4] = ["owner", "emergency", "topic", "received_at"];

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::filters::covers;

    fn parts(filter: &str, topic: &str) -> Option<Vec<String>> {
        let filter = Filter::parse(filter).unwrap();
        let parts = filter.fit(topic)?;
        Some((0..filter.parts().len()).map(|index| parts.get(index).to_owned()).collect())
    }

    #[test]
    fn levels_have_names() {
        assert_eq!(parts("panic/{device}/press", "panic/d-1/press"), Some(vec!["d-1".to_owned()]));
        let two = Some(vec!["u-1".to_owned(), "exit".to_owned()]);
        assert_eq!(parts("geofence/{user}/{transition}", "geofence/u-1/exit"), two);
        assert_eq!(parts("a/{x}/#", "a/b"), Some(vec!["b".to_owned()]));
        assert_eq!(parts("a/{x}", "a/"), Some(vec![String::new()]), "a level may be empty");
        for (filter, topic) in
            [("a/{x}", "a"), ("a/{x}", "a/b/c"), ("a/b", "a/c"), ("{x}/b", "$SYS/b"), ("#", "$SYS/b"), ("a/{x}/#", "a")]
        {
            assert_eq!(parts(filter, topic), None, "{filter} {topic}");
        }
        let filter = Filter::parse("a/{x}/+/#").unwrap();
        assert_eq!((filter.mqtt(), filter.first()), ("a/+/+/#", Some("a")));
    }

    #[test]
    fn what_is_not_a_filter_is_said() {
        let words = |text: &str| Filter::parse(text).unwrap_err();
        assert!(words("").contains("empty"));
        assert!(words("a/#/b").contains("only allowed at the end"));
        assert!(words("a/b+").contains("a wildcard must be a whole level, unlike \"b+\""));
        assert!(words("a/x{device}").contains("a named part must be a whole level"));
        assert!(words("a/{}").contains("is not a valid name"));
        assert!(words("a/{a-b}").contains("is not a valid name"));
        assert!(words("{a}/{a}").contains("appears twice"));
        assert!(words("a/{owner}").contains("is reserved"));
        assert!(words("{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}").contains("more than 8"));
        assert!(words("$share/g/a").contains("shared subscriptions"));
    }

    /// Every filter and topic of up to three levels out of a few: a route takes what its subscription brings.
    #[test]
    fn a_filter_fits_what_its_subscription_matches() {
        let mut topics: Vec<String> = Vec::new();
        let mut filters: Vec<String> = Vec::new();
        let all = |words: &[&str]| {
            let mut texts: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            for _ in 0..2 {
                let longer = texts.iter().flat_map(|text| words.iter().map(move |word| format!("{text}/{word}")));
                let longer: Vec<String> = longer.collect();
                texts.extend(longer);
            }
            texts
        };
        topics.extend(all(&["a", "b", "", "$S"]));
        filters.extend(all(&["a", "b", "+", "#", "$S"]));
        topics.retain(|topic| !topic.is_empty());
        let mut compared = 0;
        for text in &filters {
            let Ok(filter) = Filter::parse(text) else { continue };
            let mut number = 0;
            let named: Vec<String> = text
                .split('/')
                .map(|level| {
                    number += 1;
                    if level == "+" { format!("{{p{number}}}") } else { level.to_owned() }
                })
                .collect();
            let named = Filter::parse(&named.join("/")).unwrap();
            assert_eq!(named.mqtt(), filter.mqtt());
            for topic in &topics {
                assert_eq!(filter.fit(topic).is_some(), covers(text, topic), "{text} {topic}");
                assert_eq!(named.fit(topic).is_some(), covers(text, topic), "{text} {topic}");
                compared += 1;
            }
        }
        assert!(compared > 5000, "{compared}");
    }
}
