//! Arguments of `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ProfileArg;

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// For Docker Compose: the same stack for people without sosstack; docker compose up --wait
    Compose(ExportComposeArgs),
}

#[derive(Debug, Args)]
pub struct ExportComposeArgs {
    /// The directory to write; an earlier export in it is replaced. - prints the Compose file instead
    #[arg(long, value_name = "DIR", default_value = "compose")]
    pub out: PathBuf,
    /// Add N to every host port [default: the stack file's, else 0]
    #[arg(long, value_name = "N", env = "SOSSTACK_PORT_OFFSET")]
    pub port_offset: Option<u16>,
    /// What the services are sized for [default: the stack file's, else laptop]
    #[arg(long, value_enum, env = "SOSSTACK_PROFILE")]
    pub profile: Option<ProfileArg>,
}
