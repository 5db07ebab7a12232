//! Dead letters as people read them.

use std::fmt::Write;

use crate::bridge::letters::letter::Letter;
use crate::bridge::letters::list::Row;
use crate::bridge::letters::replay::{Fate, Replay, Step};
use crate::bridge::letters::show::Shown;
use crate::message::json::is_json;
use crate::ui::messages::visible;
use crate::ui::table::{BOLD, Cell, DIM, ERROR, WARNING};
use crate::ui::{Table, table};

/// Characters of a reason in a row; `show` has all of it.
const LONGEST_REASON: usize = 100;
/// Bytes in a line of a dump.
const DUMPED: usize = 16;

pub(super) fn list(rows: &[Row]) -> String {
    let mut table = Table::new(&["TIME", "ID", "MQTT TOPIC", "SIZE", "ATTEMPTS", "REASON"]);
    for row in rows {
        let size = if row.cut { format!("{}, cut", size(row.bytes)) } else { size(row.bytes) };
        table.row(vec![
            time(row.time).into(),
            row.id.clone().into(),
            text(row.topic.as_deref()).into(),
            size.into(),
            row.attempts.to_string().into(),
            shortened(&text(row.reason.as_deref())).into(),
        ]);
    }
    table.render()
}

/// Headers, then the bytes.
pub(super) fn letter(letter: &Letter) -> String {
    let mut headers = Table::new(&["HEADER", "VALUE"]);
    for (name, value) in &letter.message.headers {
        let value = value.as_ref().map_or_else(|| "-".to_owned(), |value| visible(&String::from_utf8_lossy(value)));
        headers.row(vec![visible(&String::from_utf8_lossy(name)).into(), value.into()]);
    }
    let key = letter.message.key.as_ref().map(|key| String::from_utf8_lossy(key));
    let value = letter.message.value.as_deref().unwrap_or_default();
    format!(
        "{BOLD}{}{BOLD:#}  key {}  {} bytes\n{}\n{}",
        letter.id,
        text(key.as_deref()),
        value.len(),
        headers.render(),
        original(value)
    )
}

/// JSON laid out, text line by line, and anything else as a dump.
fn original(bytes: &[u8]) -> String {
    let Ok(words) = str::from_utf8(bytes) else { return dump(bytes) };
    let laid_out = is_json(words).then(|| serde_json::from_str::<serde_json::Value>(words).ok()).flatten();
    let laid_out = laid_out.and_then(|value| serde_json::to_string_pretty(&value).ok());
    match laid_out.as_deref().unwrap_or(words) {
        "" => format!("{DIM}(no bytes){DIM:#}\n"),
        words => words.lines().map(|line| visible(line) + "\n").collect(),
    }
}

fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(DUMPED).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let plain: String = line.iter().map(|byte| if is_plain(*byte) { char::from(*byte) } else { '.' }).collect();
        let _ = writeln!(text, "{:08x}  {:47}  {plain}", number * DUMPED, hex.join(" "));
    }
    text
}

/// That a letter is not whole.
pub(super) fn cut(shown: &Shown, letter: &Letter) -> String {
    let kept = letter.message.value.as_ref().map_or(0, Vec::len);
    let all = shown.original_size.map_or_else(|| "all".to_owned(), |size| size.to_string());
    let digest = shown.original_sha256.as_deref().map(|digest| format!("; SHA-256 of all: {digest}"));
    format!(
        "only the first {kept} of {all} bytes were kept: the message was larger than Kafka accepts{}",
        digest.unwrap_or_default()
    )
}

pub(super) fn plan(replay: &Replay) -> String {
    let mut table = Table::new(&["ID", "RECEIVED", "MQTT TOPIC", "BECOMES"]);
    for step in &replay.letters {
        table.row(vec![
            step.id.clone().into(),
            time(step.received_at).into(),
            text(step.topic.as_deref()).into(),
            becomes(step),
        ]);
    }
    table.render()
}

fn becomes(step: &Step) -> Cell {
    let reason = text(step.reason.as_deref());
    match (step.fate, &step.to) {
        (Fate::Unmapped, _) => Cell::styled(format!("still cannot be mapped: {reason}"), ERROR),
        (Fate::Refused, _) | (_, None) => Cell::styled(format!("nothing: {reason}"), ERROR),
        (_, Some(to)) if step.reason.is_some() => Cell::styled(format!("{to} ({reason})"), WARNING),
        (_, Some(to)) => to.clone().into(),
    }
}

/// What a person reads: nothing in it commands the terminal.
fn text(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), visible)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Seconds are exact enough for people; JSON has the rest.
fn time(time: Option<jiff::Timestamp>) -> String {
    let whole = time.map(|time| time.round(jiff::Unit::Second).unwrap_or(time));
    whole.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => table::bytes(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let plain = |bytes: &[u8]| anstream::adapter::strip_str(&original(bytes)).to_string();
        assert_eq!(plain(br#"{"a":1.50}"#), "{\n  \"a\": 1.50\n}\n");
        assert_eq!(plain(b"two\nlines\x1b[2J"), "two\nlines\\u{1b}[2J\n");
        assert_eq!(plain(b""), "(no bytes)\n");
        let dumped = plain(&[0, 255, b'a', b' ', 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let lines: Vec<&str> = dumped.lines().collect();
        assert_eq!(lines[0], "00000000  00 ff 61 20 0a 01 02 03 04 05 06 07 08 09 0a 0b  ..a ............");
        assert!(lines[1].starts_with("00000010  0c  ") && lines[1].ends_with("  ."), "{dumped}");
    }

    #[test]
    fn sizes_and_reasons_fit_a_row() {
        assert_eq!((size(7), size(1025), size(3 << 20)), ("7 B".to_owned(), "2 KiB".to_owned(), "3 MiB".to_owned()));
        let long = shortened(&"é".repeat(101));
        assert!(long.chars().count() == 101 && long.ends_with('…'));
    }
}
