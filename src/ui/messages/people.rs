//! A message as a person reads it: time where they are, topic in its colour, key, payload in one line
//! where it fits and laid out where it does not.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::super::Ui;
use super::super::table::DIM;
use crate::message::json::{compact, is_json};
use crate::message::{Clock, View};

const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::BrightCyan];

/// Renders messages for a terminal.
pub struct People {
    clock: Clock,
    colour: bool,
    /// Columns of the terminal; None where there is none, and then every message has one line.
    width: Option<usize>,
    pretty: bool,
}

impl People {
    /// For stdout as it is. `pretty` lays out every JSON payload.
    pub fn new(pretty: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never && terminal;
        Self { clock: Clock::local_time_of_day(), colour, width: Ui::columns(), pretty }
    }

    /// Appends the message without a line feed at its end.
    pub fn write(&mut self, message: &View<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let key = message.key.map(|key| visible(&String::from_utf8_lossy(key)));
        let payload = Payload::of(message.value);
        let mut time = Vec::new();
        self.clock.write(message.time, &mut time);
        if time.is_empty() {
            time.push(b'-');
        }
        let time = String::from_utf8_lossy(&time);
        let topic = visible(&message.topic);
        let plain = time.len() + topic.chars().count() + key.as_ref().map_or(0, |key| key.chars().count() + 2) + 4;
        let fits = self.width.is_none_or(|width| plain + payload.width() <= width);
        let text = payload.render(self.pretty || !fits);
        let colour = topic_style(&message.topic);
        let key = key.map(|key| format!("{key}  ")).unwrap_or_default();
        write!(out, "{DIM}{time}{DIM:#}  {colour}{topic}{colour:#}  {key}{text}").expect("writing to memory succeeds");
        if !self.colour {
            let plain = anstream::adapter::strip_bytes(&out[start..]).into_vec();
            out.truncate(start);
            out.extend_from_slice(&plain);
        }
    }
}

/// The same topic has the same colour in every run.
fn topic_style(topic: &str) -> Style {
    let sum = topic.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Style::new().fg_color(Some(COLOURS[sum % COLOURS.len()].into()))
}

enum Payload<'a> {
    Null,
    Empty,
    /// Compact.
    Json(String),
    Text(&'a str),
    Binary(&'a [u8]),
}

impl<'a> Payload<'a> {
    fn of(value: Option<&'a [u8]>) -> Self {
        match value.map(|bytes| (bytes, str::from_utf8(bytes))) {
            None => Self::Null,
            Some((_, Ok(""))) => Self::Empty,
            Some((_, Ok(text))) if is_json(text) => Self::Json(compact(text)),
            Some((_, Ok(text))) => Self::Text(text),
            Some((bytes, Err(_))) => Self::Binary(bytes),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Json(text) => text.chars().count(),
            // Only JSON can be laid out: the others wrap.
            _ => 0,
        }
    }

    fn render(&self, lay_out: bool) -> String {
        match self {
            Self::Null => format!("{DIM}null{DIM:#}"),
            Self::Empty => format!("{DIM}empty{DIM:#}"),
            Self::Json(text) if lay_out && text.starts_with(['{', '[']) => {
                laid_out(text).unwrap_or_else(|| visible(text))
            }
            Self::Json(text) => visible(text),
            Self::Text(text) => visible(text),
            Self::Binary(bytes) => {
                format!("{DIM}{} bytes:{DIM:#} {}", bytes.len(), visible(&String::from_utf8_lossy(bytes)))
            }
        }
    }
}

/// JSON on lines of its own, indented; numbers keep their digits.
fn laid_out(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    let text = serde_json::to_string_pretty(&value).ok()?;
    let lines = text.lines().map(|line| format!("\n  {}", visible(line)));
    Some(lines.collect())
}

/// Control characters as their escapes: a payload must not be able to command the terminal.
pub(crate) fn visible(text: &str) -> String {
    // Line feeds and the like become escapes, so that one message is one line unless it is laid out.
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: Option<&[u8]>, lay_out: bool) -> String {
        anstream::adapter::strip_str(&Payload::of(value).render(lay_out)).to_string()
    }

    #[test]
    fn a_payload_cannot_command_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(plain(Some(b"{ \"a\" : 1 }"), false), "{\"a\":1}");
        assert_eq!(plain(None, false), "null");
        assert_eq!(plain(Some(b""), true), "empty");
        assert!(plain(Some(&[255, 0]), false).contains("2 bytes"));
        assert_eq!(plain(Some(b"{\"a\":\"\xc2\x9b2J\"}"), true), "\n  {\n    \"a\": \"\\u{9b}2J\"\n  }");
    }

    #[test]
    fn what_is_too_wide_is_laid_out() {
        assert_eq!(
            plain(Some(br#"{"n":1234567890123456789012,"a":[]}"#), true),
            "\n  {\n    \"n\": 1234567890123456789012,\n    \"a\": []\n  }"
        );
        assert_eq!(plain(Some(b"12"), true), "12");
    }
}
