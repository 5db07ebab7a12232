//! Arguments of trace.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;
use crate::place::From;

const USAGE: &str = "sosstack trace [OPTIONS] <ID>
       sosstack trace [OPTIONS] panic <DEVICE>";

const TRACE: &str = "\
Past events are read from Kafka's records and the headers that the bridge set; MQTT keeps no history.

The exit code is 1 if no record matches the ID.";

const PANIC: &str = "\
The press is real: services that read the topic act on it. The trace waits for each consumer group
that has members and a commit on the topic; what a group did with a committed record, only its
service knows.

The exit code is 1 if a hop was not reached in time; the error names it and says where to look.";

#[derive(Debug, Args)]
#[command(after_help = TRACE, override_usage = USAGE, subcommand_negates_reqs = true)]
pub struct TraceArgs {
    /// An emergencyId, the bridge's event-id, or the eventId that a device set
    #[arg(value_name = "ID", required = true)]
    pub id: Option<String>,
    /// Where to start searching: beginning, a duration ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds)
    /// or an offset [default: beginning]
    #[arg(long, value_name = "START")]
    pub from: Option<From>,
    /// The Kafka topic that presses go to; dead letters are searched, too
    #[arg(long, value_name = "TOPIC", default_value = "emergency.created", global = true)]
    pub topic: String,
    #[command(subcommand)]
    pub command: Option<TraceCommand>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Press a device's panic button and show each hop up to Kafka and the consumer groups
    #[command(after_help = PANIC)]
    Panic(TracePanicArgs),
}

#[derive(Debug, Args)]
pub struct TracePanicArgs {
    /// The device; it logs in as itself if it belongs to a stack on this machine
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// How long to wait for the hops, counted from the press
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Press even on a cluster other than the local stack, where somebody may act on it
    #[arg(long)]
    pub real_emergencies: bool,
}
