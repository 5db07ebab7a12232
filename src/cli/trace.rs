//! Arguments of trace.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;
use crate::place::From;

const USAGE: &str = "sosstack trace [OPTIONS] <ID>
       sosstack trace [OPTIONS] panic <DEVICE>";

const TRACE: &str = "\
What happened is told by Kafka's records and the headers that the bridge has set; MQTT keeps no past.

Exit code 1 if no record is about the id.";

const PANIC: &str = "\
The press is a real one: services that read the topic act on it. Groups are waited for that have
members and a commit on the topic; what a group did with a record that it has committed, only its
service can tell.

Exit code 1 if a hop did not come in time; the error says which one, and what to look at.";

#[derive(Debug, Args)]
#[command(after_help = TRACE, override_usage = USAGE, subcommand_negates_reqs = true)]
pub struct TraceArgs {
    /// An emergencyId, the event-id of the bridge, or the eventId that a device gave
    #[arg(value_name = "ID", required = true)]
    pub id: Option<String>,
    /// Where the search begins: beginning, how long ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset
    /// [default: beginning]
    #[arg(long, value_name = "START")]
    pub from: Option<From>,
    /// The Kafka topic that gets presses; dead letters are looked at, too
    #[arg(long, value_name = "TOPIC", default_value = "emergency.created", global = true)]
    pub topic: String,
    #[command(subcommand)]
    pub command: Option<TraceCommand>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Press a device's panic button, and show each hop to Kafka and the groups that commit it
    #[command(after_help = PANIC)]
    Panic(TracePanicArgs),
}

#[derive(Debug, Args)]
pub struct TracePanicArgs {
    /// The device, which logs in as itself where a stack of this machine has it
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// How long hops are waited for, from the press on
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Press on another cluster than the local stack, where somebody may act on it
    #[arg(long)]
    pub real_emergencies: bool,
}
