//! The envelope, written: one JSON object a line, from which every byte can be had back.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::json::{compact, is_json, write_string};
use super::{Clock, Properties, View, in_calendar};

/// Writes envelopes.
pub struct Writer {
    clock: Clock,
}

impl Default for Writer {
    fn default() -> Self {
        Self { clock: Clock::utc() }
    }
}

impl Writer {
    /// Appends the envelope, one line without its end.
    pub fn write(&mut self, message: &View<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"broker\":\"");
        out.extend_from_slice(message.broker.as_str().as_bytes());
        out.extend_from_slice(b"\",\"topic\":");
        write_string(&message.topic, out);
        if let Some(partition) = message.partition {
            integer("partition", partition.into(), out);
        }
        if let Some(offset) = message.offset {
            integer("offset", offset, out);
        }
        if let Some(qos) = message.qos {
            number("qos", qos, out);
        }
        if let Some(retained) = message.retained {
            number("retained", retained, out);
        }
        if let Some(key) = message.key {
            write_key(key, out);
        }
        if !message.headers.is_empty() {
            write_headers(message, out);
        }
        if let Some(properties) = message.properties.filter(|properties| !properties.is_empty()) {
            write_properties(properties, out);
        }
        if in_calendar(message.time).is_some() {
            out.extend_from_slice(b",\"time\":\"");
            self.clock.write(message.time, out);
            out.push(b'"');
        } else {
            integer("time", message.time, out);
            out.extend_from_slice(b",\"time_encoding\":\"number\"");
        }
        write_value(message.value, out);
        out.push(b'}');
    }

    /// The envelope as a text of its own.
    pub fn line(&mut self, message: &View<'_>) -> String {
        let mut line = Vec::new();
        self.write(message, &mut line);
        String::from_utf8(line).expect("an envelope is made of text")
    }
}

/// As [`number`], for what every message of Kafka has.
fn integer(name: &str, value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn number(name: &str, value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, ",\"{name}\":{value}").expect("writing to memory succeeds");
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    write_string(&BASE64_STANDARD.encode(bytes), out);
}

fn write_key(key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"key\":");
    if let Ok(text) = str::from_utf8(key) {
        write_string(text, out);
    } else {
        write_base64(key, out);
        out.extend_from_slice(b",\"key_encoding\":\"base64\"");
    }
}

fn write_headers(message: &View<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"headers\":[");
    for (index, (name, value)) in message.headers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        if let Ok(name) = str::from_utf8(name) {
            write_string(name, out);
        } else {
            write_base64(name, out);
            out.extend_from_slice(b",\"name_base64\":true");
        }
        out.extend_from_slice(b",\"value\":");
        match value.map(|bytes| (bytes, str::from_utf8(bytes))) {
            None => out.extend_from_slice(b"null"),
            Some((_, Ok(text))) => write_string(text, out),
            Some((bytes, Err(_))) => {
                write_base64(bytes, out);
                out.extend_from_slice(b",\"base64\":true");
            }
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_properties(properties: &Properties, out: &mut Vec<u8>) {
    let text = |name: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_string(value, out);
    };
    let start = out.len();
    if let Some(kind) = &properties.content_type {
        text("content_type", kind, out);
    }
    if let Some(topic) = &properties.response_topic {
        text("response_topic", topic, out);
    }
    match properties.correlation_data.as_deref().map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => {}
        Some((_, Ok(data))) => text("correlation_data", data, out),
        Some((bytes, Err(_))) => text("correlation_data_base64", &BASE64_STANDARD.encode(bytes), out),
    }
    if let Some(format) = properties.payload_format {
        number("payload_format", format, out);
    }
    if let Some(seconds) = properties.expiry {
        number("expiry", seconds, out);
    }
    // The first one's comma gives way to the object's beginning.
    out.splice(start..=start, b",\"properties\":{".iter().copied());
    out.push(b'}');
}

fn write_value(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"value\":");
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null,\"encoding\":\"null\"");
        return;
    };
    let Ok(text) = str::from_utf8(bytes) else {
        write_base64(bytes, out);
        out.extend_from_slice(b",\"encoding\":\"base64\"");
        return;
    };
    if !is_json(text) {
        write_string(text, out);
        out.extend_from_slice(b",\"encoding\":\"text\"");
        return;
    }
    // Blanks around the value are not part of it, and line breaks in it would end the line.
    let has_blanks = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    if !has_blanks && !bytes.contains(&b'\n') && !bytes.contains(&b'\r') {
        out.extend_from_slice(bytes);
        out.extend_from_slice(b",\"encoding\":\"json\"");
        return;
    }
    out.extend_from_slice(compact(text).as_bytes());
    out.extend_from_slice(b",\"encoding\":\"json\",\"raw\":");
    write_string(text, out);
}
