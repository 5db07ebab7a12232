//! Arguments of `bridge journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Show what waits on disk: since when, in which lane, for which topic; also while a bridge runs
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The journal's directory [default: the stack's own]
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}
