//! `--format '{time} {topic} {value.emergencyId}'`

use serde_json::Value;

use crate::failure::Failure;
use crate::filter::caret::point;
use crate::message::{Clock, View};

const REMEDY: &str = "fields are {time} {utc} {broker} {topic} {partition} {offset} {key} {value} {value.NAME} {headers.NAME} \
                      {qos} {retained}; {{ and }} are braces, \\n and \\t a line feed and a tab";

/// A text with fields.
pub struct Template {
    parts: Vec<Part>,
    local: Clock,
    utc: Clock,
}

enum Part {
    Text(String),
    Field(Field),
}

enum Field {
    /// Where this machine is.
    Time,
    Utc,
    Broker,
    Topic,
    Partition,
    Offset,
    Key,
    Qos,
    Retained,
    /// As it came.
    Value,
    /// A member of a JSON payload.
    Member(Vec<String>),
    Header(String),
}

impl Template {
    /// # Errors
    /// [`Failure::Usage`] with a caret where the template is wrong.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match (c, next) {
                ('{', Some('{')) | ('}', Some('}')) | ('\\', Some('\\')) => {
                    plain.push(c);
                    chars.next();
                }
                ('\\', Some(escape @ ('n' | 't'))) => {
                    plain.push(if escape == 'n' { '\n' } else { '\t' });
                    chars.next();
                }
                ('{', _) => {
                    let rest = &text[at + 1..];
                    let Some(end) = rest.find('}') else {
                        return Err(point("--format", text, at, "this brace is not closed", REMEDY));
                    };
                    let name = &rest[..end];
                    let field = field(name).ok_or_else(|| {
                        point("--format", text, at + 1, &format!("there is no field {name:?}"), REMEDY)
                    })?;
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Field(field));
                    while chars.next().is_some_and(|(_, c)| c != '}') {}
                }
                ('}', _) => return Err(point("--format", text, at, "this brace closes nothing", REMEDY)),
                (c, _) => plain.push(c),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, local: Clock::local(), utc: Clock::utc() })
    }

    /// Appends the text for a message; what it does not have is empty.
    pub fn write(&mut self, message: &View<'_>, out: &mut Vec<u8>) {
        // Parsed at most once, and only when a member is asked for.
        let mut json: Option<Value> = None;
        for part in &self.parts {
            let field = match part {
                Part::Text(text) => {
                    out.extend_from_slice(text.as_bytes());
                    continue;
                }
                Part::Field(field) => field,
            };
            match field {
                Field::Time => self.local.write(message.time, out),
                Field::Utc => self.utc.write(message.time, out),
                Field::Broker => out.extend_from_slice(message.broker.as_str().as_bytes()),
                Field::Topic => out.extend_from_slice(message.topic.as_bytes()),
                Field::Partition => number(message.partition, out),
                Field::Offset => number(message.offset, out),
                Field::Qos => number(message.qos, out),
                Field::Retained => number(message.retained, out),
                Field::Key => out.extend_from_slice(message.key.unwrap_or_default()),
                Field::Value => out.extend_from_slice(message.value.unwrap_or_default()),
                Field::Header(name) => {
                    let found = message.headers.iter().find(|(given, _)| given.as_ref() == name.as_bytes());
                    out.extend_from_slice(found.and_then(|(_, value)| *value).unwrap_or_default());
                }
                Field::Member(path) => {
                    let root = json.get_or_insert_with(|| {
                        message.value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or(Value::Null)
                    });
                    member(root, path, out);
                }
            }
        }
    }
}

fn number(value: Option<impl std::fmt::Display>, out: &mut Vec<u8>) {
    out.extend(value.map(|value| value.to_string()).unwrap_or_default().into_bytes());
}

fn member(root: &Value, path: &[String], out: &mut Vec<u8>) {
    let step = |value: &'_ Value, name: &String| match value {
        Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)).cloned(),
        value => value.get(name).cloned(),
    };
    let found = path.iter().try_fold(root.clone(), |value, name| step(&value, name));
    match found {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => out.extend_from_slice(text.as_bytes()),
        Some(value) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "time" => Field::Time,
        "utc" => Field::Utc,
        "broker" => Field::Broker,
        "topic" => Field::Topic,
        "partition" => Field::Partition,
        "offset" => Field::Offset,
        "key" => Field::Key,
        "value" => Field::Value,
        "qos" => Field::Qos,
        "retained" => Field::Retained,
        _ => match name.split_once('.')? {
            ("headers", header) if !header.is_empty() => Field::Header(header.to_owned()),
            ("value", path) if path.split('.').all(|step| !step.is_empty()) => {
                Field::Member(path.split('.').map(str::to_owned).collect())
            }
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::message::{Broker, Message};

    fn render(template: &str) -> String {
        let message = Message {
            broker: Broker::Kafka,
            topic: "emergency.created".to_owned(),
            partition: Some(2),
            offset: Some(7),
            qos: None,
            retained: None,
            key: Some(b"e-1".to_vec()),
            headers: vec![(b"source.app".to_vec(), Some(b"web".to_vec()))],
            properties: None,
            time: 1_795_536_000_123,
            value: Some(br#"{"id":"e-1","n":12345678901234567890.10,"list":[{"a":true}],"none":null}"#.to_vec()),
        };
        let mut out = Vec::new();
        Template::parse(template).unwrap().write(&message.view(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(render("{topic}[{partition}]@{offset} {key}"), "emergency.created[2]@7 e-1");
        assert_eq!(
            render("{value.id}|{value.n}|{value.list.0.a}|{value.none}|{value.x.y}|{qos}"),
            "e-1|12345678901234567890.10|true|||"
        );
        assert_eq!(render(r"{{{headers.source.app}}}\t{utc}\n"), "{web}\t2026-11-24T16:00:00.123Z\n");
        assert_eq!(render("no field"), "no field");
    }

    #[test]
    fn a_bad_template_is_pointed_at() {
        let words = |text: &str| Template::parse(text).err().unwrap().to_string();
        assert_eq!(words("{topic} {vale}"), "--format: there is no field \"vale\"\n  {topic} {vale}\n           ^");
        assert!(words("{topic").contains("not closed\n  {topic\n  ^"));
        assert!(words("a } b").contains("closes nothing"));
        assert!(words("{value.}").contains("no field"));
    }
}
