//! The envelope that pub, sub and tail share: one JSON object a line, exact to the byte.
//!
//! `docs/envelope.md` is its specification.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Which broker a message went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Broker {
    Kafka,
    Mqtt,
}

/// A message as it was received. Absent and empty are different: None is Kafka's null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub broker: Broker,
    pub topic: String,
    /// Kafka's only.
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    /// MQTT's only.
    pub qos: Option<u8>,
    pub retained: Option<bool>,
    /// MQTT has no keys.
    pub key: Option<Vec<u8>>,
    /// In their order, names repeated as they came. MQTT 5: user properties.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Kafka: the record's timestamp. MQTT messages have none: when it was received.
    pub time: Timestamp,
    pub value: Option<Vec<u8>>,
}

/// How bytes stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// The bytes are JSON and stand as they came.
    #[default]
    Json,
    /// They are UTF-8 and stand as a string.
    Text,
    Base64,
    /// There are no bytes at all.
    Null,
}

/// Bytes in JSON, with what is needed to get exactly them back.
#[derive(Serialize, Deserialize)]
struct Encoded {
    value: Box<RawValue>,
    #[serde(default)]
    encoding: Encoding,
    /// The exact text, where JSON had line breaks that one line cannot hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(flatten)]
    encoded: HeaderValue,
}

/// Header values are text nearly always, so that is what they are unless they say otherwise.
#[derive(Serialize, Deserialize)]
struct HeaderValue {
    value: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    base64: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    broker: Broker,
    topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qos: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retained: Option<bool>,
    /// Text, or base64 where `key_encoding` says so, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_encoding: Option<Encoding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
    time: Timestamp,
    value: Box<RawValue>,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

/// Why a line is no envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("not an envelope: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{what} says it is base64, but is not: {error}")]
    Base64 { what: &'static str, error: base64::DecodeError },
    #[error("{what} says it is text, but is not a string")]
    NoString { what: &'static str },
}

impl Message {
    /// The envelope, one line without its end.
    pub fn to_line(&self) -> String {
        let value = encode(self.value.as_deref());
        let (key, key_encoding) = match &self.key {
            None => (None, None),
            Some(key) => match str::from_utf8(key) {
                Ok(text) => (Some(text.to_owned()), None),
                Err(_) => (Some(BASE64_STANDARD.encode(key)), Some(Encoding::Base64)),
            },
        };
        let line = Line {
            broker: self.broker,
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            qos: self.qos,
            retained: self.retained,
            key,
            key_encoding,
            headers: self.headers.iter().map(|(name, value)| header(name, value.as_deref())).collect(),
            time: self.time,
            value: value.value,
            encoding: value.encoding,
            raw: value.raw,
        };
        serde_json::to_string(&line).expect("an envelope is plain data")
    }

    /// The message of an envelope.
    ///
    /// # Errors
    /// When the line is no envelope, or contradicts itself.
    pub fn from_line(line: &str) -> Result<Self, EnvelopeError> {
        let line: Line = serde_json::from_str(line)?;
        let base64 =
            |what, text: &str| BASE64_STANDARD.decode(text).map_err(|error| EnvelopeError::Base64 { what, error });
        let key = match (line.key, line.key_encoding) {
            (Some(text), Some(Encoding::Base64)) => Some(base64("the key", &text)?),
            (key, _) => key.map(String::into_bytes),
        };
        let headers = line.headers.into_iter().map(|header| {
            let value = match (header.encoded.value, header.encoded.base64) {
                (Some(text), true) => Some(base64("a header", &text)?),
                (value, _) => value.map(String::into_bytes),
            };
            Ok((header.name, value))
        });
        Ok(Self {
            broker: line.broker,
            topic: line.topic,
            partition: line.partition,
            offset: line.offset,
            qos: line.qos,
            retained: line.retained,
            key,
            headers: headers.collect::<Result<_, EnvelopeError>>()?,
            time: line.time,
            value: decode(&Encoded { value: line.value, encoding: line.encoding, raw: line.raw })?,
        })
    }
}

fn header(name: &str, value: Option<&[u8]>) -> Header {
    let encoded = match value.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => HeaderValue { value: None, base64: false },
        Some((_, Ok(text))) => HeaderValue { value: Some(text.to_owned()), base64: false },
        Some((bytes, Err(_))) => HeaderValue { value: Some(BASE64_STANDARD.encode(bytes)), base64: true },
    };
    Header { name: name.to_owned(), encoded }
}

fn encode(bytes: Option<&[u8]>) -> Encoded {
    let string = |text: &str| serde_json::value::to_raw_value(text).expect("a string is JSON");
    let Some(bytes) = bytes else {
        return Encoded { value: RawValue::NULL.to_owned(), encoding: Encoding::Null, raw: None };
    };
    let Ok(text) = str::from_utf8(bytes) else {
        return Encoded { value: string(&BASE64_STANDARD.encode(bytes)), encoding: Encoding::Base64, raw: None };
    };
    let Ok(json) = serde_json::from_str::<&RawValue>(text) else {
        return Encoded { value: string(text), encoding: Encoding::Text, raw: None };
    };
    // Blanks around the value are no part of it, and line breaks in it would end the line.
    if json.get().len() == text.len() && !text.contains(['\n', '\r']) {
        return Encoded { value: json.to_owned(), encoding: Encoding::Json, raw: None };
    }
    let compact = RawValue::from_string(compact(json.get())).expect("JSON without white space is JSON");
    Encoded { value: compact, encoding: Encoding::Json, raw: Some(text.to_owned()) }
}

fn decode(encoded: &Encoded) -> Result<Option<Vec<u8>>, EnvelopeError> {
    let what = "the value";
    let string = || serde_json::from_str::<String>(encoded.value.get()).map_err(|_| EnvelopeError::NoString { what });
    Ok(match encoded.encoding {
        Encoding::Null => None,
        Encoding::Text => Some(string()?.into_bytes()),
        Encoding::Base64 => {
            let bytes = BASE64_STANDARD.decode(string()?);
            Some(bytes.map_err(|error| EnvelopeError::Base64 { what, error })?)
        }
        Encoding::Json => Some(encoded.raw.clone().unwrap_or_else(|| encoded.value.get().to_owned()).into_bytes()),
    })
}

/// JSON without the white space between its tokens; numbers and strings stay as they are written.
pub fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if !c.is_ascii_whitespace() {
            text.push(c);
            in_string = c == '"';
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: Option<&[u8]>) -> Message {
        Message {
            broker: Broker::Kafka,
            topic: "emergency.created".to_owned(),
            partition: Some(1),
            offset: Some(42),
            qos: None,
            retained: None,
            key: Some(b"e-1".to_vec()),
            headers: vec![("source".to_owned(), Some(b"test".to_vec()))],
            time: "2026-11-24T16:00:00.123Z".parse().unwrap(),
            value: value.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn json_stands_as_json() {
        assert_eq!(
            message(Some(br#"{"n":12345678901234567890.10}"#)).to_line(),
            r#"{"broker":"kafka","topic":"emergency.created","partition":1,"offset":42,"key":"e-1","headers":[{"name":"source","value":"test"}],"time":"2026-11-24T16:00:00.123Z","value":{"n":12345678901234567890.10},"encoding":"json"}"#
        );
    }

    #[test]
    fn every_value_comes_back_byte_for_byte() {
        let values: [Option<&[u8]>; 16] = [
            None,
            Some(b""),
            Some(b"null"),
            Some(b"0"),
            Some(b"-0.0"),
            Some(b"1e400"),
            Some(b"123456789012345678901234567890.12345678901234567890"),
            Some(b"\"text\""),
            Some(b"plain text"),
            Some(b" {\"blank\": 1} "),
            Some(b"{\n  \"a\": \"b \\\" \\\\ c\",\r\n  \"d\": [1, 2]\n}\n"),
            Some(b"{\"a\":1,\"a\":2}"),
            Some(b"{\"u\":\"\\u00e9\\ud83d\\ude00\"}"),
            Some(b"{broken"),
            Some(&[0, 159, 146, 150, 255]),
            Some(b"nul \0 inside"),
        ];
        for value in values {
            let sent = message(value);
            let line = sent.to_line();
            assert!(!line.contains(['\n', '\r']), "{line}");
            assert_eq!(Message::from_line(&line).unwrap(), sent, "{line}");
        }
    }

    #[test]
    fn keys_and_headers_come_back_byte_for_byte() {
        let mut sent = message(Some(b"{}"));
        for key in [None, Some(Vec::new()), Some(vec![255, 0]), Some(b"{}".to_vec())] {
            sent.key = key;
            sent.headers = vec![
                ("twice".to_owned(), Some(b"1".to_vec())),
                ("null".to_owned(), None),
                ("twice".to_owned(), Some(Vec::new())),
                ("binary".to_owned(), Some(vec![0, 255])),
            ];
            assert_eq!(Message::from_line(&sent.to_line()).unwrap(), sent);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let line = |value: &str, encoding: &str| {
            format!(
                r#"{{"broker":"mqtt","topic":"a/b","time":"2026-11-24T16:00:00Z","value":{value},"encoding":"{encoding}"}}"#
            )
        };
        assert!(Message::from_line(&line("\"!\"", "base64")).unwrap_err().to_string().contains("base64"));
        assert!(Message::from_line(&line("1", "text")).unwrap_err().to_string().contains("not a string"));
        assert!(Message::from_line("{}").is_err());
    }

    #[test]
    fn compacting_leaves_strings_alone() {
        assert_eq!(compact("{ \"a b\" : \"c \\\" d\" ,\n \"e\" : 1.50 }"), "{\"a b\":\"c \\\" d\",\"e\":1.50}");
    }
}
