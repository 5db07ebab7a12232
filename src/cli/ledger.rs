//! Arguments of ledger.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Look up each message of a ledger in Kafka: which are lost, duplicated, out of order or late
    #[command(after_help = VERIFY)]
    Verify(LedgerVerifyArgs),
}

const VERIFY: &str = "\
The exit code is 1 if a message acknowledged at QoS 1 or 2 is in neither its topic nor the dead letters, or came
after a later one from the same device on the same topic. Losses at QoS 0 are only counted.";

#[derive(Debug, Args)]
pub struct LedgerVerifyArgs {
    /// A ledger written by simulate --ledger
    #[arg(value_name = "FILE")]
    pub ledger: PathBuf,
    /// How long to wait for missing messages after the last one was found
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// Count a message as late if its record is timestamped more than this after its acknowledgement
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub late: Duration,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
