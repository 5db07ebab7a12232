//! Arguments of pub, sub and tail.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;
use crate::place::{From, Until};
use crate::publish::Rate;

const ADDRESSES: &str = "\
A topic with dots and no slash is a Kafka topic (emergency.created); one with a slash or a wildcard is an
MQTT topic (device/device-12345/alert, device/+/alert). For any other, write kafka:NAME or mqtt:NAME.";

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct PubArgs {
    /// Kafka or MQTT topic; optional with --envelope, where each message has its own
    #[arg(value_name = "TARGET", required_unless_present = "envelope")]
    pub target: Option<String>,
    /// The message; - reads it from stdin, @FILE from a file, byte for byte
    #[arg(value_name = "PAYLOAD", required_unless_present_any = ["lines", "envelope"])]
    #[arg(conflicts_with_all = ["lines", "envelope"])]
    pub payload: Option<String>,
    /// Send each line of stdin as a message
    #[arg(long, short = 'l', conflicts_with = "envelope")]
    pub lines: bool,
    /// Send each line of stdin as a message, in the form that sub -o json prints
    #[arg(long, short = 'e')]
    pub envelope: bool,
    /// Message key (Kafka)
    #[arg(long, short = 'k', conflicts_with = "envelope")]
    pub key: Option<String>,
    /// Take each message's key from its JSON with a jq expression, such as .deviceId (Kafka)
    #[arg(long, value_name = "JQ", conflicts_with_all = ["key", "envelope"])]
    pub key_from: Option<String>,
    /// Add a header (Kafka) or user property (MQTT); may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Quality of service: 0, at most once; 1, at least once; 2, exactly once (MQTT) [default: the envelope's, else 1]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: Option<u8>,
    /// Retain the message for future subscribers (MQTT)
    #[arg(long)]
    pub retain: bool,
    /// Log in as this device, with its password and permissions (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// Send no faster than this, such as 500/s or 30/m [default: as fast as possible]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Send everything N times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: u64,
    /// How long to wait for each message's acknowledgement [default: 10s; 60s for many messages]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The payload, then a line feed
    Raw,
    /// The envelope, one JSON object per line (docs/clients.md)
    Json,
    /// As --format says
    Template,
}

/// Which messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only messages whose envelope satisfies this jq expression, such as '.value.type == "MEDICAL"'
    #[arg(long = "where", short = 'w', value_name = "JQ")]
    pub query: Option<String>,
    /// Only messages whose payload matches this regular expression
    #[arg(long, short = 'g', value_name = "REGEX")]
    pub grep: Option<String>,
    /// Ignore case in --grep
    #[arg(long, short = 'i', requires = "grep")]
    pub ignore_case: bool,
    /// Only messages with this key (* matches any characters)
    #[arg(long, short = 'k')]
    pub key: Option<String>,
    /// Only messages with this header and, if given, this value (* matches any characters); may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME[=VALUE]", value_parser = wanted_header)]
    pub headers: Vec<(String, Option<String>)>,
}

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct SubArgs {
    /// Kafka topics (* matches any characters) and MQTT topic filters
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// Where to start: beginning, now, a duration ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an
    /// offset (Kafka)
    #[arg(long, value_name = "START", default_value = "now")]
    pub from: From,
    /// Where to stop: after everything that was there at the start (now), or before a time or an offset (Kafka)
    #[arg(long, value_name = "END")]
    pub until: Option<Until>,
    /// Only this partition of each topic (Kafka)
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Stop after N messages
    #[arg(long, short = 'c', value_name = "N")]
    pub count: Option<u64>,
    /// Stop after this long, including connecting; fails if --count was not reached by then
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How to print messages [default: raw; json with --output json]
    #[arg(short = 'o', value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// Print each message with this template, such as '{time} {topic} {value.emergencyId}'
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Read as a member of this consumer group, from where it left off (Kafka)
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["until", "partition"])]
    pub group: Option<String>,
    /// Commit printed messages for the group
    #[arg(long, requires = "group")]
    pub ack: bool,
    /// Join the group even if that takes partitions from its current members
    #[arg(long, requires = "group")]
    pub join: bool,
    /// Log in as this device, with its password and permissions (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// Maximum QoS of the subscription (MQTT)
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct TailArgs {
    /// Kafka topics (* matches any characters) and MQTT topic filters
    #[arg(value_name = "TARGET", required_unless_present = "all")]
    pub targets: Vec<String>,
    /// Watch all Kafka topics and all MQTT topics
    #[arg(long, short = 'a', conflicts_with = "targets")]
    pub all: bool,
    /// Where to start: beginning, now, a duration ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an
    /// offset (Kafka)
    #[arg(long, value_name = "START", default_value = "now")]
    pub from: From,
    /// Same as --from
    #[arg(long, value_name = "START", conflicts_with = "from")]
    pub since: Option<From>,
    /// Start with the last N messages, counted across all topics (Kafka)
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
    /// Print each message with this template, such as '{time} {topic} {value.emergencyId}'
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Pretty-print every JSON payload [default: only those wider than the terminal]
    #[arg(long, conflicts_with = "format")]
    pub pretty: bool,
    /// Show message counts per topic, every second, instead of the messages
    #[arg(long, conflicts_with_all = ["format", "pretty"])]
    pub stats: bool,
    /// Stop after this long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}

fn wanted_header(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok((name.to_owned(), value)) }
}
