//! Durations, as people write them.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// `90s`, `5m`, `1h30m`, `500ms`, `7d`, `1w`, `1d12h`; a bare number is seconds.
///
/// # Errors
/// When it is none of these, or negative.
pub fn parse(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    // A day of 24 hours and a week of 7 days; months and years have no fixed length, and are refused.
    let span = text.parse::<Span>().ok().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let duration = span.and_then(|signed| Duration::try_from(signed).ok());
    duration.ok_or_else(|| "write a duration such as 500ms, 90s, 5m, 1h30m, 7d or 1w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        const DAY: u64 = 24 * 3600;
        for (text, seconds) in [
            ("120s", 120),
            ("5m", 300),
            ("1h30m", 5400),
            ("7", 7),
            ("1d", DAY),
            ("7d", 7 * DAY),
            ("1w", 7 * DAY),
            ("2w3d", 17 * DAY),
            ("1d12h", DAY + 12 * 3600),
            ("1w 2d 30m", 9 * DAY + 1800),
            ("0d", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        for wrong in
            ["", "-5m", "-1d", "1d-5m", "soon", "d", "1dd", "1mo", "1y", "1.5x", "99999999999999999999d", "1d 7"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
