//! Arguments of pub, sub and tail.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;
use crate::place::{From, Until};
use crate::publish::Rate;

const ADDRESSES: &str = "\
A topic with dots and no slash is Kafka's (emergency.created), one with a slash or a wildcard is MQTT's
(device/device-12345/alert, device/+/alert); kafka:NAME and mqtt:NAME settle the rest.";

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct PubArgs {
    /// The Kafka or MQTT topic; with --envelope it may be left out, and each goes to its own
    #[arg(value_name = "TARGET", required_unless_present = "envelope")]
    pub target: Option<String>,
    /// The message; - reads it from stdin, @FILE from a file, both to the last byte
    #[arg(value_name = "PAYLOAD", required_unless_present_any = ["lines", "envelope"])]
    #[arg(conflicts_with_all = ["lines", "envelope"])]
    pub payload: Option<String>,
    /// Each line of stdin is a message
    #[arg(long, short = 'l', conflicts_with = "envelope")]
    pub lines: bool,
    /// Each line of stdin is a message as sub -o json prints it
    #[arg(long, short = 'e')]
    pub envelope: bool,
    /// The message's key (Kafka)
    #[arg(long, short = 'k', conflicts_with = "envelope")]
    pub key: Option<String>,
    /// Take each message's key out of its JSON: a jq expression such as .deviceId (Kafka)
    #[arg(long, value_name = "JQ", conflicts_with_all = ["key", "envelope"])]
    pub key_from: Option<String>,
    /// A header (Kafka) or user property (MQTT); may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// 0: written; 1: acknowledged; 2: acknowledged, once (MQTT) [default: the envelope's, else 1]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: Option<u8>,
    /// Keep it for future subscribers (MQTT)
    #[arg(long)]
    pub retain: bool,
    /// Log in as this device, with its credential and rights (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// No faster than this, such as 500/s or 30/m [default: as fast as can be]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Send everything N times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: u64,
    /// How long a message may wait for its acknowledgement [default: 10s; 60s for many]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The payload and a line feed
    Raw,
    /// The envelope, one JSON object a line (docs/clients.md)
    Json,
    /// What --format says
    Template,
}

/// Which messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only messages whose envelope fulfils this jq expression, such as '.value.type == "MEDICAL"'
    #[arg(long = "where", short = 'w', value_name = "JQ")]
    pub query: Option<String>,
    /// Only messages whose payload holds this regular expression
    #[arg(long, short = 'g', value_name = "REGEX")]
    pub grep: Option<String>,
    /// --grep takes small and capital letters for the same
    #[arg(long, short = 'i', requires = "grep")]
    pub ignore_case: bool,
    /// Only messages with this key (* stands for any letters)
    #[arg(long, short = 'k')]
    pub key: Option<String>,
    /// Only messages with this header, and value if given (* stands for any letters); may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME[=VALUE]", value_parser = wanted_header)]
    pub headers: Vec<(String, Option<String>)>,
}

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct SubArgs {
    /// Kafka topics (* stands for any letters) and MQTT topic filters
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// beginning, now, how long ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset (Kafka)
    #[arg(long, value_name = "START", default_value = "now")]
    pub from: From,
    /// End with what was there when reading began (now), or before a time or an offset (Kafka)
    #[arg(long, value_name = "END")]
    pub until: Option<Until>,
    /// Only this partition of each topic (Kafka)
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// End after N messages
    #[arg(long, short = 'c', value_name = "N")]
    pub count: Option<u64>,
    /// End after this long, connecting included; a failure when --count is not reached by then
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How messages are printed [default: raw; json with --output json]
    #[arg(short = 'o', value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// Print this text for each message, such as '{time} {topic} {value.emergencyId}'
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Read as a member of this consumer group, from where it stopped (Kafka)
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["until", "partition"])]
    pub group: Option<String>,
    /// Commit for the group what was printed
    #[arg(long, requires = "group")]
    pub ack: bool,
    /// Join a group although it takes partitions from members that are there
    #[arg(long, requires = "group")]
    pub join: bool,
    /// Log in as this device, with its credential and rights (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// The most that MQTT may deliver with
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
    /// Kafka topics (* stands for any letters) and MQTT topic filters
    #[arg(value_name = "TARGET", required_unless_present = "all")]
    pub targets: Vec<String>,
    /// Everything: all Kafka topics, all MQTT topics
    #[arg(long, short = 'a', conflicts_with = "targets")]
    pub all: bool,
    /// beginning, now, how long ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset (Kafka)
    #[arg(long, value_name = "START", default_value = "now")]
    pub from: From,
    /// The same as --from
    #[arg(long, value_name = "START", conflicts_with = "from")]
    pub since: Option<From>,
    /// Begin with the newest N messages of all topics together (Kafka)
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
    /// Print this text for each message, such as '{time} {topic} {value.emergencyId}'
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
    /// Lay out every JSON payload on lines of its own [default: those that are wider than the terminal]
    #[arg(long, conflicts_with = "format")]
    pub pretty: bool,
    /// Show how many messages come in each topic instead of the messages, every second
    #[arg(long, conflicts_with_all = ["format", "pretty"])]
    pub stats: bool,
    /// End after this long
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
