//! Arguments of group.

use clap::{Args, Subcommand};

use crate::reading::From;

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List consumer groups with members and lag
    #[command(visible_alias = "ls")]
    List,
    /// Show one group: how far it is in each partition, and who reads it
    Describe {
        #[arg(value_name = "GROUP")]
        name: String,
    },
    /// Move a group that has no members; shows the plan first
    Reset(ResetArgs),
}

#[derive(Debug, Args)]
pub struct ResetArgs {
    #[arg(value_name = "GROUP")]
    pub name: String,
    /// beginning, now, how long ago (5m), a time (2026-11-24T16:00) or an offset
    #[arg(long, value_name = "PLACE")]
    pub to: From,
    /// Only this topic; may be repeated [default: those in which the group has committed something]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub yes: bool,
}
