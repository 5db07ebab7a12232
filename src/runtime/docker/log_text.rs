//! From what the daemon sends of a log to whole lines with their time.

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;

use super::answers;

/// A line with the time at which the daemon received it.
type Line = (Option<Timestamp>, String);

/// Joins pieces to lines: the daemon splits lines longer than 16 KiB, and stamps each piece.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    output: Option<Line>,
    errors: Option<Line>,
}

impl Assembler {
    /// None at the end, which a container that does not exist has at once.
    pub(super) async fn next_line(
        &mut self,
        pieces: &mut (impl Stream<Item = Result<LogOutput, Error>> + Unpin),
    ) -> Option<Result<Line, Error>> {
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => {
                    if let Some(line) = self.add(&piece) {
                        return Some(Ok(line));
                    }
                }
                Some(Err(error)) if matches!(answers::status(&error), Some(404 | 409)) => return None,
                Some(Err(error)) => return Some(Err(error)),
                None => return self.output.take().or_else(|| self.errors.take()).map(|line| Ok(finish(line))),
            }
        }
    }

    /// The line that a piece completes.
    fn add(&mut self, piece: &LogOutput) -> Option<Line> {
        let open = if matches!(piece, LogOutput::StdErr { .. }) { &mut self.errors } else { &mut self.output };
        let text = String::from_utf8_lossy(piece.as_ref());
        let (time, text) = split_stamp(&text);
        let line = open.get_or_insert_with(|| (time, String::new()));
        line.1.push_str(text);
        if text.ends_with('\n') { open.take().map(finish) } else { None }
    }
}

fn finish((time, text): Line) -> Line {
    let text = without_own_time(text.trim_end_matches(['\n', '\r']));
    (time, text.to_owned())
}

/// The daemon's timestamp, which ends at the first space.
fn split_stamp(text: &str) -> (Option<Timestamp>, &str) {
    match text.split_once(' ').map(|(stamp, rest)| (stamp.parse(), rest)) {
        Some((Ok(time), rest)) => (Some(time), rest),
        _ => (None, text),
    }
}

/// Drops a time with which the service itself begins the line (`2026-01-31T12:00:00Z text`,
/// `2026-01-31 12:00:00,123 text`, Mosquitto's `2026-01-31T12:00:00: text`): it is told once.
fn without_own_time(text: &str) -> &str {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let fits = |(&byte, &shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'T' => byte == b'T' || byte == b' ',
        _ => byte == shape,
    };
    if bytes.len() < SHAPE.len() || !bytes.iter().zip(SHAPE).all(fits) {
        return text;
    }
    let rest = &text[SHAPE.len()..];
    let fraction =
        rest.strip_prefix(['.', ',']).map_or(rest, |more| more.trim_start_matches(|c: char| c.is_ascii_digit()));
    let zone = match fraction.strip_prefix(['+', '-']) {
        Some(more) => more.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':').trim_start(),
        None => fraction.strip_prefix('Z').unwrap_or(fraction),
    };
    // A zone's colons and the one before the text look alike.
    let after = zone.strip_prefix(": ").or_else(|| zone.strip_prefix(' '));
    after.unwrap_or(if fraction.starts_with(['+', '-']) { zone } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> LogOutput {
        LogOutput::StdOut { message: text.to_owned().into() }
    }

    #[test]
    fn a_line_carries_the_daemons_time_only() {
        let piece = output("2026-01-31T12:00:00.000000001Z 2026-01-31T13:00:00: mosquitto version 2.0.11 starting\n");
        let (time, text) = Assembler::default().add(&piece).unwrap();
        assert_eq!(time, Some("2026-01-31T12:00:00.000000001Z".parse().unwrap()));
        assert_eq!(text, "mosquitto version 2.0.11 starting");
    }

    #[test]
    fn long_lines_are_put_together_again() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.add(&output("2026-01-31T12:00:00Z one ")), None);
        let between = LogOutput::StdErr { message: "2026-01-31T12:00:01Z three\n".into() };
        assert_eq!(assembler.add(&between).unwrap().1, "three");
        assert_eq!(assembler.add(&output("2026-01-31T12:00:02Z line\r\n")).unwrap().1, "one line");
    }

    #[test]
    fn services_write_the_time_in_many_ways() {
        for text in [
            "2026-01-31T12:00:00Z text",
            "2026-01-31T12:00:00.123456+01:00 text",
            "2026-01-31T12:00:00+0100: text",
            "2026-01-31 12:00:00,123 text",
            "2026-01-31T12:00:00: text",
            "text",
        ] {
            assert_eq!(without_own_time(text), "text", "{text}");
        }
        assert_eq!(without_own_time("2026-01-31T12:00:00text"), "2026-01-31T12:00:00text");
        assert_eq!(without_own_time("1700000000: text"), "1700000000: text");
    }
}
