//! The command line of `up`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ProfileArg;
use super::up_bridges::UpBridgesArgs;
use crate::duration::parse as duration;

/// Which runtime to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuntimeArg {
    /// Docker if a daemon answers and has, or can pull, the images; otherwise processes
    Auto,
    /// Containers
    Docker,
    /// Plain processes, with this machine's Java and Mosquitto
    Process,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct UpArgs {
    /// What runs the services [default: the stack file's, else auto]
    #[arg(long, value_enum, env = "SOSSTACK_RUNTIME")]
    pub runtime: Option<RuntimeArg>,
    /// Add N to every host port, to run stacks side by side [default: as the stack was created, else 0]
    #[arg(long, value_name = "N", env = "SOSSTACK_PORT_OFFSET")]
    pub port_offset: Option<u16>,
    /// How long to wait for everything to be proven ready
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = duration)]
    pub timeout: Duration,
    /// Keep what this run created even if it is interrupted
    #[arg(long)]
    pub retain: bool,
    /// Remove the stack and all its data first, without asking
    #[arg(long)]
    pub fresh: bool,
    /// Continue without data that was removed by hand, or that another mosquitto.persistence cannot read
    #[arg(long)]
    pub accept_data_loss: bool,
    /// Give an existing stack new credentials if its own are not in this data directory; anybody using the old ones
    /// is locked out
    #[arg(long)]
    pub replace_credentials: bool,
    /// What to size the services for [default: the stack file's, else as last time, else laptop]
    #[arg(long, value_enum, env = "SOSSTACK_PROFILE")]
    pub profile: Option<ProfileArg>,
    #[command(flatten)]
    pub bridges: UpBridgesArgs,
    /// An unpacked Kafka 3.x distribution for plain processes, instead of jars fetched by Maven
    #[arg(long, value_name = "DIR", env = "SOSSTACK_KAFKA_HOME")]
    pub kafka_home: Option<PathBuf>,
}
