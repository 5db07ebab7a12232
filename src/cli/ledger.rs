//! Arguments of ledger.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Look in Kafka for each message of a ledger: which are lost, duplicated, out of order, late
    #[command(after_help = VERIFY)]
    Verify(LedgerVerifyArgs),
}

const VERIFY: &str = "\
Exit code 1 if a message that was acknowledged at QoS 1 or 2 is in neither its topic nor the dead letters, or if one
came after a later one of the same device and topic. What is lost at QoS 0 is counted.";

#[derive(Debug, Args)]
pub struct LedgerVerifyArgs {
    /// What simulate --ledger has written
    #[arg(value_name = "FILE")]
    pub ledger: PathBuf,
    /// How long to wait for messages that are missing, after the last one that was found
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// A message is late when its record is from longer than this after its acknowledgement
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub late: Duration,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
