//! Arguments of `bridge dlq`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::clients::ClusterArgs;
use crate::address::filter_problem;
use crate::bridge::letters::id::LetterId;
use crate::duration::parse as duration;
use crate::place::{From, Until};

#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub command: DlqCommand,
    /// A routes file, merged over the built-in routes [default: the file given to up --bridge-routes, else the
    /// built-in routes]
    #[arg(long, value_name = "FILE", global = true)]
    pub routes: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead letters, oldest first
    #[command(visible_alias = "ls")]
    List(ChoiceArgs),
    /// Show one dead letter: its headers and the original bytes
    Show {
        /// Its partition and offset, as printed by list
        #[arg(value_name = "PARTITION:OFFSET")]
        id: LetterId,
        /// Print only the original bytes, unchanged
        #[arg(long)]
        raw: bool,
    },
    /// Map dead letters by the current routes and send the results; shows the plan first
    Replay(ReplayArgs),
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection")]
pub struct ChoiceArgs {
    /// Start at: beginning, a duration ago (5m, 7d), a time (2026-11-24T16:00, epoch milliseconds) or an offset
    /// [default: beginning]
    #[arg(long, value_name = "PLACE")]
    pub from: Option<From>,
    /// Stop before this time or offset
    #[arg(long, value_name = "PLACE")]
    pub until: Option<Until>,
    /// Only those whose reason contains this text, ignoring case
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only those from this device or user
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Only those whose MQTT topic matches this filter, such as 'panic/+/press'
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub topic: Option<String>,
    /// Only the last N
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
}

const REPLAYING: &str = "\
Each record keeps the event id of its message. What still cannot be mapped stays a dead letter.

The exit code is 1 if a selected dead letter cannot be replayed.";

#[derive(Debug, Args)]
#[command(after_help = REPLAYING)]
pub struct ReplayArgs {
    /// Only these, as printed by list [default: all that match the options below]
    #[arg(value_name = "PARTITION:OFFSET")]
    #[arg(conflicts_with_all = ["from", "until", "reason", "device", "topic", "last"])]
    pub ids: Vec<LetterId>,
    /// Show the plan without sending anything
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Send emergencies even to a cluster other than the local stack, where somebody may act on them
    #[arg(long)]
    pub real_emergencies: bool,
    /// How long jq may take per message
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub jq_timeout: Duration,
    #[command(flatten)]
    pub choice: ChoiceArgs,
}

fn filter(text: &str) -> Result<String, String> {
    filter_problem(text).map_or_else(|| Ok(text.to_owned()), |problem| Err(problem.to_owned()))
}
