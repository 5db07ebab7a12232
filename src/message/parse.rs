//! The envelope, read: what `pub --envelope` takes, from `sub -o json` or written by hand.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Broker, Properties};

/// What an envelope says. A hand-written one may leave out all but its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub broker: Option<Broker>,
    pub topic: Option<String>,
    pub qos: Option<u8>,
    pub retained: Option<bool>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub properties: Properties,
    /// Milliseconds since the epoch, or whatever its producer took for them.
    pub time: Option<i64>,
    pub value: Option<Vec<u8>>,
}

/// How bytes stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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

/// How a time stands in JSON; each can be told from the other.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TimeEncoding {
    Text,
    Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    broker: Option<Broker>,
    topic: Option<String>,
    #[serde(rename = "partition")]
    _partition: Option<i32>,
    #[serde(rename = "offset")]
    _offset: Option<i64>,
    qos: Option<u8>,
    retained: Option<bool>,
    /// Text, or base64 where `key_encoding` says so, or absent.
    key: Option<String>,
    key_encoding: Option<Encoding>,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    properties: LineProperties,
    /// A text of RFC 3339, or the number as it is.
    time: Option<Box<RawValue>>,
    #[serde(rename = "time_encoding")]
    _time_encoding: Option<TimeEncoding>,
    value: Box<RawValue>,
    #[serde(default)]
    encoding: Encoding,
    /// The exact text, where JSON had line breaks that one line cannot hold.
    raw: Option<String>,
}

/// Header values are text nearly always, so that is what they are unless they say otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    #[serde(default)]
    name_base64: bool,
    value: Option<String>,
    #[serde(default)]
    base64: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct LineProperties {
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<String>,
    correlation_data_base64: Option<String>,
    payload_format: Option<u8>,
    expiry: Option<u32>,
}

/// Why a line is not an envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("not an envelope: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{what} says it is base64, but is not: {error}")]
    Base64 { what: &'static str, error: base64::DecodeError },
    #[error("the value says it is text, but is not a string")]
    NoString,
    #[error("the time is neither a text such as 2026-11-24T16:00:00Z nor a whole number of milliseconds")]
    Time,
    #[error("there is no QoS {0}")]
    Qos(u8),
}

impl Envelope {
    /// # Errors
    /// When the line is not an envelope, or contradicts itself.
    pub fn parse(line: &[u8]) -> Result<Self, EnvelopeError> {
        let line: Line = serde_json::from_slice(line)?;
        let key = match (line.key, line.key_encoding) {
            (Some(text), Some(Encoding::Base64)) => Some(base64("the key", &text)?),
            (key, _) => key.map(String::into_bytes),
        };
        let header = |header: Header| {
            let value = match (header.value, header.base64) {
                (Some(text), true) => Some(base64("a header", &text)?),
                (value, _) => value.map(String::into_bytes),
            };
            let name =
                if header.name_base64 { base64("a header's name", &header.name)? } else { header.name.into_bytes() };
            Ok((name, value))
        };
        if let Some(qos) = line.qos.filter(|qos| *qos > 2) {
            return Err(EnvelopeError::Qos(qos));
        }
        Ok(Self {
            broker: line.broker,
            topic: line.topic,
            qos: line.qos,
            retained: line.retained,
            key,
            headers: line.headers.into_iter().map(header).collect::<Result<_, EnvelopeError>>()?,
            properties: properties(line.properties)?,
            time: line.time.as_deref().map(time).transpose()?,
            value: value(&line.value, line.encoding, line.raw)?,
        })
    }
}

fn base64(what: &'static str, text: &str) -> Result<Vec<u8>, EnvelopeError> {
    BASE64_STANDARD.decode(text).map_err(|error| EnvelopeError::Base64 { what, error })
}

fn time(value: &RawValue) -> Result<i64, EnvelopeError> {
    let text = value.get();
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    serde_json::from_str::<Timestamp>(text).map(Timestamp::as_millisecond).map_err(|_| EnvelopeError::Time)
}

fn properties(line: LineProperties) -> Result<Properties, EnvelopeError> {
    let correlation_data = match line.correlation_data_base64 {
        Some(text) => Some(base64("the correlation data", &text)?),
        None => line.correlation_data.map(String::into_bytes),
    };
    Ok(Properties {
        content_type: line.content_type,
        response_topic: line.response_topic,
        correlation_data,
        payload_format: line.payload_format,
        expiry: line.expiry,
    })
}

fn value(value: &RawValue, encoding: Encoding, raw: Option<String>) -> Result<Option<Vec<u8>>, EnvelopeError> {
    let string = || serde_json::from_str::<String>(value.get()).map_err(|_| EnvelopeError::NoString);
    Ok(match encoding {
        Encoding::Null => None,
        Encoding::Text => Some(string()?.into_bytes()),
        Encoding::Base64 => Some(base64("the value", &string()?)?),
        Encoding::Json => Some(raw.unwrap_or_else(|| value.get().to_owned()).into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::envelope::Writer;
    use crate::message::{Message, NO_TIME};

    fn message(value: Option<&[u8]>) -> Message {
        Message {
            broker: Broker::Kafka,
            topic: "emergency.created".to_owned(),
            partition: Some(1),
            offset: Some(42),
            qos: None,
            retained: None,
            key: Some(b"e-1".to_vec()),
            headers: vec![(b"source".to_vec(), Some(b"test".to_vec()))],
            properties: None,
            time: 1_795_536_000_123,
            value: value.map(<[u8]>::to_vec),
        }
    }

    fn line(message: &Message) -> String {
        Writer::default().line(&message.view())
    }

    fn there_and_back(sent: &Message) {
        let line = line(sent);
        assert!(!line.contains(['\n', '\r']), "{line}");
        let read = Envelope::parse(line.as_bytes()).unwrap();
        let expected = Envelope {
            broker: Some(sent.broker),
            topic: Some(sent.topic.clone()),
            qos: sent.qos,
            retained: sent.retained,
            key: sent.key.clone(),
            headers: sent.headers.clone(),
            properties: sent.properties.clone().unwrap_or_default(),
            time: Some(sent.time),
            value: sent.value.clone(),
        };
        assert_eq!(read, expected, "{line}");
    }

    #[test]
    fn json_stands_as_json() {
        assert_eq!(
            line(&message(Some(br#"{"n":12345678901234567890.10}"#))),
            r#"{"broker":"kafka","topic":"emergency.created","partition":1,"offset":42,"key":"e-1","headers":[{"name":"source","value":"test"}],"time":"2026-11-24T16:00:00.123Z","value":{"n":12345678901234567890.10},"encoding":"json"}"#
        );
    }

    #[test]
    fn every_value_comes_back_byte_for_byte() {
        let values: [Option<&[u8]>; 17] = [
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
            Some("\u{feff}{}".as_bytes()),
        ];
        for value in values {
            there_and_back(&message(value));
        }
    }

    #[test]
    fn keys_and_headers_come_back_byte_for_byte() {
        let mut sent = message(Some(b"{}"));
        for key in [None, Some(Vec::new()), Some(vec![255, 0]), Some(b"{}".to_vec())] {
            sent.key = key;
            sent.headers = vec![
                (b"twice".to_vec(), Some(b"1".to_vec())),
                (b"null".to_vec(), None),
                (b"twice".to_vec(), Some(Vec::new())),
                (b"binary \"\\".to_vec(), Some(vec![0, 255])),
                (vec![0xff, 0, b'a'], Some(b"a name of bytes".to_vec())),
                (Vec::new(), None),
            ];
            there_and_back(&sent);
        }
    }

    #[test]
    fn times_come_back_whatever_their_producer_counts() {
        let mut sent = message(Some(b"{}"));
        let micros = 1_795_536_000_123_456;
        for time in [0, 1, NO_TIME, -2, 253_402_207_200_000, micros, micros * 1000, i64::MAX, i64::MIN] {
            sent.time = time;
            there_and_back(&sent);
        }
        sent.time = micros;
        assert!(line(&sent).contains(r#""time":1795536000123456,"time_encoding":"number""#), "{}", line(&sent));
        sent.time = 0;
        assert!(line(&sent).contains(r#""time":"1970-01-01T00:00:00.000Z","value""#), "{}", line(&sent));
    }

    #[test]
    fn what_mqtt_tells_comes_back_too() {
        let mut sent = message(Some(b"{}"));
        (sent.broker, sent.qos, sent.retained) = (Broker::Mqtt, Some(2), Some(true));
        let full = Properties {
            content_type: Some("application/json".to_owned()),
            response_topic: Some("a/\"b".to_owned()),
            correlation_data: Some(vec![0, 255]),
            payload_format: Some(1),
            expiry: Some(60),
        };
        let text = Properties { correlation_data: Some(b"e-1".to_vec()), ..Properties::default() };
        for properties in [full, text, Properties { expiry: Some(0), ..Properties::default() }] {
            sent.properties = Some(properties);
            there_and_back(&sent);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let words = |line: &str| Envelope::parse(line.as_bytes()).unwrap_err().to_string();
        assert!(words(r#"{"value":"!","encoding":"base64"}"#).contains("base64"));
        assert!(words(r#"{"value":1,"encoding":"text"}"#).contains("not a string"));
        assert!(words(r#"{"value":1,"time":"soon"}"#).contains("the time is"));
        assert!(words(r#"{"value":1,"time":1.5}"#).contains("the time is"));
        assert!(words(r#"{"value":1,"qos":3}"#).contains("no QoS 3"));
        assert!(words(r#"{"value":1,"vlaue":2}"#).contains("vlaue"));
        assert!(words("{}").contains("value"));
    }

    #[test]
    fn a_hand_written_envelope_needs_a_value_only() {
        assert_eq!(Envelope::parse(br#"{"value":{"a":1}}"#).unwrap().value.as_deref(), Some(&b"{\"a\":1}"[..]));
    }
}
