//! Arguments of `bridge journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Show what is waiting on disk, for which topic, in which lane and since when; works while a bridge is running
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The journal's directory [default: the stack's own]
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}
