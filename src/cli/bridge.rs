//! Arguments of `bridge`.

use clap::Subcommand;

use super::bridge_journal::JournalCommand;

#[derive(Debug, Subcommand)]
pub enum BridgeCommand {
    /// What the bridge keeps on disk until Kafka has it
    #[command(subcommand)]
    Journal(JournalCommand),
}
