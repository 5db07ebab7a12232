//! The command line of `bridge`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::bridge_journal::JournalCommand;
use crate::duration::parse as duration;

const SAMPLES: &str = "\
Samples are read from stdin, one a line: an envelope as `sosstack sub -o json` prints it, of which
only topic and value are needed, or a topic and its payload as `mosquitto_sub -v` prints them.

The exit code is 0 whatever becomes of the samples, and 2 where the routes are invalid or a line
cannot be read.";

#[derive(Debug, Subcommand)]
pub enum BridgeCommand {
    /// Show what sample messages would become, without brokers; checks the routes first
    Check(CheckArgs),
    /// What the bridge keeps on disk until Kafka has it
    #[command(subcommand)]
    Journal(JournalCommand),
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
