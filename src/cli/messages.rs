//! Arguments of pub, sub and tail.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;

const ADDRESSES: &str = "\
A topic with dots and no slash is Kafka's (emergency.created), one with a slash or a wildcard is MQTT's
(device/device-12345/alert, device/+/alert); kafka:NAME and mqtt:NAME settle the rest.";

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct PubArgs {
    /// The Kafka or MQTT topic
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// The message; - reads it from stdin, to the last byte
    #[arg(value_name = "PAYLOAD")]
    pub payload: String,
    /// The message's key (Kafka)
    #[arg(long, short = 'k')]
    pub key: Option<String>,
    /// A header (Kafka) or user property (MQTT); may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// 0: written; 1: acknowledged; 2: acknowledged, once (MQTT) [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: Option<u8>,
    /// Keep it for future subscribers (MQTT)
    #[arg(long)]
    pub retain: bool,
    /// Log in as this device, with its credential and rights (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// How long to wait for the acknowledgement
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Beginning,
    Now,
    Ago(Duration),
}

/// Where reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum End {
    /// With what was there when reading began
    Now,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The payload and a line feed
    Raw,
    /// The envelope, one JSON object a line (docs/envelope.md)
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct SubArgs {
    /// Kafka topics (* stands for any letters) and MQTT topic filters
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// beginning, now, or how long ago, such as 5m (Kafka)
    #[arg(long, value_name = "START", default_value = "now", value_parser = start)]
    pub from: Start,
    /// End with what was there when reading began (Kafka)
    #[arg(long, value_enum)]
    pub until: Option<End>,
    /// End after N messages
    #[arg(long, short = 'c', value_name = "N")]
    pub count: Option<u64>,
    /// End after this long; a failure when --count is not reached by then
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How messages are printed [default: raw; json with --output json]
    #[arg(short = 'o', long, value_enum)]
    pub format: Option<Format>,
    /// Log in as this device, with its credential and rights (MQTT) [default: the backend]
    #[arg(long = "as", value_name = "DEVICE")]
    pub device: Option<String>,
    /// The most that MQTT may deliver with
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
}

#[derive(Debug, Args)]
#[command(after_help = ADDRESSES)]
pub struct TailArgs {
    /// Kafka topics (* stands for any letters) and MQTT topic filters
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// beginning, now, or how long ago, such as 5m (Kafka)
    #[arg(long, value_name = "START", default_value = "now", value_parser = start)]
    pub from: Start,
    /// The same as --from with how long ago
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "from")]
    pub since: Option<Duration>,
}

fn start(text: &str) -> Result<Start, String> {
    match text {
        "beginning" => Ok(Start::Beginning),
        "now" => Ok(Start::Now),
        other => duration(other).map(Start::Ago).map_err(|_| "write beginning, now, or how long ago: 5m".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}
