//! The files into which a service writes, and the lines in them.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::spawn::CONSOLE;

/// Written by log4j, which keeps three older ones.
const SERVICE_LOG: &str = "service.log";
/// What does not go through log4j is cut back to its newest part when it has grown to this.
const CONSOLE_LIMIT: u64 = 10 * 1024 * 1024;
const CONSOLE_KEPT: u64 = 1024 * 1024;

/// A line and when it was written.
pub(super) type Line = (Option<Timestamp>, String);

/// A service's log files that exist, oldest first; the last two are still being written to.
pub(super) fn paths(service_dir: &Path) -> Vec<PathBuf> {
    let rotated = (1..=3).rev().map(|n| format!("{SERVICE_LOG}.{n}"));
    let names = rotated.chain([format!("{CONSOLE}.1"), SERVICE_LOG.to_owned(), CONSOLE.to_owned()]);
    names.map(|name| service_dir.join(name)).filter(|path| path.is_file()).collect()
}

/// The two files that grow.
pub(super) fn growing(service_dir: &Path) -> [PathBuf; 2] {
    [service_dir.join(SERVICE_LOG), service_dir.join(CONSOLE)]
}

/// All lines of all files, merged by time.
pub(super) fn read_all(service_dir: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    for path in paths(service_dir) {
        let text = fs::read(path).unwrap_or_default();
        let mut last = None;
        lines.extend(String::from_utf8_lossy(&text).lines().map(|line| parse(line, &mut last)));
    }
    lines.sort_by_key(|(time, _)| *time);
    lines
}

/// The line without its time. One that has none (a stack trace's) has the time of the line before.
pub(super) fn parse(line: &str, last: &mut Option<Timestamp>) -> Line {
    if let Some((time, text)) = super::own_lines::read(line) {
        *last = time.or(*last);
        return (*last, text);
    }
    let split = line.split_once(' ').and_then(|(stamp, rest)| Some((time(stamp)?, rest)));
    match split {
        Some((time, rest)) => {
            *last = Some(time);
            (Some(time), rest.to_owned())
        }
        None => (*last, line.to_owned()),
    }
}

/// `2026-11-24T16:00:00.123+01:00` (log4j's) or `2026-11-24T16:00:00+0100:` (Mosquitto's).
fn time(stamp: &str) -> Option<Timestamp> {
    let stamp = stamp.strip_suffix(':').unwrap_or(stamp);
    stamp.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", stamp).ok())
}

/// Cuts the console file back to its newest part. Its writer appends, so it goes on at the new end;
/// what it writes between our reading and cutting is lost, a few lines in ten megabytes.
pub(in crate::runtime) fn bound_console(service_dir: &Path) -> std::io::Result<()> {
    let path = service_dir.join(CONSOLE);
    if !path.is_file() || path.metadata()?.len() <= CONSOLE_LIMIT {
        return Ok(());
    }
    let mut file = File::options().read(true).write(true).open(&path)?;
    let mut newest = Vec::new();
    file.seek(SeekFrom::End(-i64::try_from(CONSOLE_KEPT).unwrap_or(0)))?;
    file.read_to_end(&mut newest)?;
    let whole_lines = newest.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    crate::paths::write_atomic(&service_dir.join(format!("{CONSOLE}.1")), &newest[whole_lines..], 0o600)
        .map_err(std::io::Error::other)?;
    file.set_len(0)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_systems_times_are_understood_and_taken_off() {
        let mut last = None;
        let utc = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(
            parse("2026-11-24T16:00:00.123+01:00 INFO  started (kafka.Kafka)", &mut last),
            (utc("2026-11-24T15:00:00.123Z"), "INFO  started (kafka.Kafka)".to_owned())
        );
        assert_eq!(
            parse("\tat java.lang.Thread.run", &mut last),
            (utc("2026-11-24T15:00:00.123Z"), "\tat java.lang.Thread.run".to_owned())
        );
        assert_eq!(
            parse("2026-11-24T16:00:00+0000: mosquitto version 2.0.11 running", &mut last),
            (utc("2026-11-24T16:00:00Z"), "mosquitto version 2.0.11 running".to_owned())
        );
    }

    #[test]
    fn a_large_console_keeps_its_newest_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let line = "0123456789".repeat(10) + "\n";
        fs::write(dir.path().join(CONSOLE), line.repeat(110_000)).unwrap();
        bound_console(dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path().join(CONSOLE)).unwrap().len(), 0);
        let kept = fs::read_to_string(dir.path().join("console.log.1")).unwrap();
        assert!(kept.len() as u64 <= CONSOLE_KEPT && kept.starts_with("0123456789"));
    }
}
