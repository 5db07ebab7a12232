//! Lines that a program of ours writes with `--output json`: what happened, and the error that ended it.

use jiff::Timestamp;
use serde::Deserialize;

/// As much of a line as people want to read.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Happened { time: Timestamp, level: String, message: String },
    Failed { error: Failed },
}

#[derive(Deserialize)]
struct Failed {
    message: String,
}

/// When it was written, if it says so, and its text; None where the line is not one of these.
pub(super) fn read(line: &str) -> Option<(Option<Timestamp>, String)> {
    if !line.starts_with('{') {
        return None;
    }
    Some(match serde_json::from_str(line).ok()? {
        Line::Happened { time, level, message } if level == "info" => (Some(time), message),
        Line::Happened { time, level, message } => (Some(time), format!("{level}: {message}")),
        Line::Failed { error } => (None, format!("error: {}", error.message)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_happened_and_why_it_ended() {
        let time = "2026-11-24T15:00:00.123Z";
        let happened = |level: &str| {
            format!(
                r#"{{"time":"{time}","event":"connected","level":"{level}","message":"subscribed","resumed":true}}"#
            )
        };
        let at = Some(time.parse().unwrap());
        assert_eq!(read(&happened("info")), Some((at, "subscribed".to_owned())));
        assert_eq!(read(&happened("warning")), Some((at, "warning: subscribed".to_owned())));
        let failed = r#"{"error":{"code":"failed","message":"the journal is for another cluster","remedy":null}}"#;
        assert_eq!(read(failed), Some((None, "error: the journal is for another cluster".to_owned())));
        for other in ["[2026] INFO", "", "{\"a\":1}", "{"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
