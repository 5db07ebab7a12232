//! The command line of `bridge`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::bridge_dlq::DlqArgs;
use super::bridge_journal::JournalCommand;
use super::clients::ClusterArgs;
use crate::duration::parse as duration;

const SAMPLES: &str = "\
Samples are read from stdin, one per line: an envelope as `sosstack sub -o json` prints it, of which
only topic and value are needed, or a topic and its payload as `mosquitto_sub -v` prints them.

The exit code is 0 whatever becomes of the samples, and 2 where the routes are invalid or a line
cannot be read.";

#[derive(Debug, Subcommand)]
pub enum BridgeCommand {
    /// Show what sample messages would become, without brokers; checks the routes first
    Check(CheckArgs),
    /// Bring MQTT messages to Kafka until a signal comes; a second one that shares the journal waits as standby
    Run(Box<RunArgs>),
    /// Press once as a probe, which alarms nobody, and see the press come out of Kafka: would a real one get through?
    Probe(ProbeArgs),
    /// What the bridge keeps on disk until Kafka has it
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Dead letters: what could not be mapped, why, and sending it again after a fix
    Dlq(Box<DlqArgs>),
    /// Evaluate jq for a bridge that is running, which starts this by itself
    #[command(hide = true)]
    Evaluate,
}

#[derive(Debug, Args)]
#[command(after_help = SAMPLES)]
pub struct CheckArgs {
    /// A routes file, merged over the built-in routes [default: the built-in routes alone]
    #[arg(value_name = "ROUTES")]
    pub routes: Option<PathBuf>,
    /// How long jq may take for one message
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub jq_timeout: Duration,
    /// Print the built-in routes instead, to begin a file with
    #[arg(long, conflicts_with_all = ["routes", "schema"])]
    pub built_in: bool,
    /// Print the JSON Schema of a routes file instead
    #[arg(long, conflicts_with = "routes")]
    pub schema: bool,
}

const RUNNING: &str = "\
SIGHUP reads the routes again. Ctrl-C ends it in order: what it acknowledged to Mosquitto is with Kafka or in
the journal, and the session stays for the next one.";

#[derive(Debug, Args)]
#[command(after_help = RUNNING)]
pub struct RunArgs {
    /// A routes file, merged over the built-in routes [default: the built-in routes alone]
    #[arg(long, value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// How long jq may take for one message
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = duration)]
    pub jq_timeout: Duration,
    /// Where messages wait on disk while Kafka does not take them [default: in the stack's data directory]
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
    /// The most that may wait there, such as 500M or 2G [default: 8G or a tenth of the free disk, the smaller]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub journal_max: Option<u64>,
    /// Owners of devices beside those that the stack knows: a file of lines such as "panic-0001 user-1001", or a directory
    /// of such files; changes are noticed
    #[arg(long, value_name = "PATH")]
    pub owners: Option<PathBuf>,
    /// Serve Prometheus metrics, /healthz and /readyz on this address, such as 127.0.0.1:9101
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Publish what services write to emergency.updated and emergency.resolved to emergency/{userId}/status, at QoS 1
    #[arg(long, conflicts_with = "share")]
    pub emergency_status: bool,
    /// Press as a probe every INTERVAL, from 1s to 1h (30s where none is given), and measure the time to Kafka; the press
    /// goes into a hidden topic and alarms nobody [default: no probe]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "30s", value_parser = interval)]
    pub probe: Option<Duration>,
    /// Share the messages with the other bridges of this name, each with a journal of its own ($share/NAME/…); for
    /// servers that share by a hash of the sender, not for Mosquitto
    #[arg(long, value_name = "NAME", value_parser = share)]
    pub share: Option<String>,
    /// The file that takes stdout and stderr, to be kept small; `up` says it
    #[arg(long, value_name = "FILE", hide = true)]
    pub log_file: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// How long each broker may take to answer, and then the press to arrive
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Between two presses of the probe.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
    let interval = duration(text).ok().filter(|interval| range.contains(interval));
    interval.ok_or_else(|| format!("{text:?} is not an interval from 1s to 1h: write 30s or 5m"))
}

/// The name of a shared subscription (MQTT 5, 4.8.2).
fn share(text: &str) -> Result<String, String> {
    let is_valid = !text.is_empty() && !text.contains(['/', '+', '#']) && !text.contains(char::is_control);
    is_valid.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is not a share name: leave out '/', '+' and '#'"))
}

/// Bytes, in powers of 1,024.
fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is not a size: write 500M or 2G, at least 1M");
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let plain = text.trim_end_matches(['i', 'B', 'b']);
    let unit = plain.chars().last().and_then(|last| units.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&last)));
    let (digits, shift) =
        unit.map_or((plain, 0), |(unit, shift)| (plain.trim_end_matches([*unit, unit.to_ascii_lowercase()]), *shift));
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_shl(shift).filter(|bytes| bytes >> shift == number && *bytes >= 1 << 20).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_neither_a_flood_nor_forgotten() {
        assert_eq!(interval("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(interval("60m"), Ok(Duration::from_secs(3600)));
        for wrong in ["0", "999ms", "61m", "often", ""] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_share_name_is_one_level_of_a_filter() {
        assert_eq!(share("bridges-1"), Ok("bridges-1".to_owned()));
        for wrong in ["", "a/b", "+", "#", "a\n"] {
            assert!(share(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("2gb"), Ok(2 << 30));
        assert_eq!(size("1048576"), Ok(1 << 20));
        for wrong in ["", "M", "1K", "-1M", "1.5G", "99999999999T", "2Q"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
