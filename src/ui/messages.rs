//! Messages on stdout: exact for programs, readable for people.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use super::table::DIM;
use crate::message::{Message, compact};

const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::BrightCyan];

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The payload and a line feed, byte for byte.
    Raw,
    /// One JSON object a line.
    Envelope,
    /// Time, topic, key and payload on one line.
    People,
}

/// Stdout with a buffer: flushed by whoever knows that nothing more is waiting.
pub struct Printer {
    out: BufWriter<io::StdoutLock<'static>>,
    look: Look,
    colour: bool,
}

impl Printer {
    pub fn new(look: Look) -> Self {
        let wanted = anstream::AutoStream::choice(&io::stdout());
        let colour = wanted != anstream::ColorChoice::Never && io::stdout().is_terminal();
        Self { out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()), look, colour }
    }

    /// # Errors
    /// When stdout cannot be written to; a reader that went away is a broken pipe.
    pub fn print(&mut self, message: &Message) -> io::Result<()> {
        match self.look {
            Look::Raw => self.out.write_all(message.value.as_deref().unwrap_or_default())?,
            Look::Envelope => self.out.write_all(message.to_line().as_bytes())?,
            Look::People => {
                let line = for_people(message);
                let line = if self.colour { line } else { anstream::adapter::strip_str(&line).to_string() };
                self.out.write_all(line.as_bytes())?;
            }
        }
        self.out.write_all(b"\n")
    }

    /// # Errors
    /// As for [`Printer::print`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn for_people(message: &Message) -> String {
    let local = jiff::tz::TimeZone::system().to_datetime(message.time);
    let colour = topic_style(&message.topic);
    let key = message.key.as_deref().map(|key| format!("{}  ", visible(&String::from_utf8_lossy(key))));
    format!(
        "{DIM}{}{DIM:#}  {colour}{}{colour:#}  {}{}",
        local.strftime("%H:%M:%S.%3f"),
        message.topic,
        key.unwrap_or_default(),
        payload(message.value.as_deref()),
    )
}

/// The same topic has the same colour in every run.
fn topic_style(topic: &str) -> Style {
    let sum = topic.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Style::new().fg_color(Some(COLOURS[sum % COLOURS.len()].into()))
}

fn payload(value: Option<&[u8]>) -> String {
    let Some(bytes) = value else { return format!("{DIM}null{DIM:#}") };
    match str::from_utf8(bytes) {
        Ok("") => format!("{DIM}empty{DIM:#}"),
        Ok(text) if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => visible(&compact(text)),
        Ok(text) => visible(text),
        Err(_) => format!("{DIM}{} bytes:{DIM:#} {}", bytes.len(), visible(&String::from_utf8_lossy(bytes))),
    }
}

/// Control characters as their escapes: a payload must not be able to command the terminal.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_cannot_command_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(payload(Some(b"{ \"a\" : 1 }")), "{\"a\":1}");
        assert!(payload(None).contains("null"));
        assert!(payload(Some(&[255, 0])).contains("2 bytes"));
    }
}
