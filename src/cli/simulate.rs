//! Arguments of simulate.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::clients::ClusterArgs;
use crate::duration::parse as duration;
use crate::publish::Rate;

/// What devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScenarioName {
    /// A steady mix: positions, telemetry, heart rates, and an occasional fall or press
    City,
    /// Like city; every 10 s, three in ten devices press within a second
    Burst,
    /// Like city; every 20 s, all devices lose their connection, reconnect and press
    Storm,
    /// Telemetry and status only
    Quiet,
}

impl ScenarioName {
    /// Its name in `seed-data/scenarios.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Burst => "burst",
            Self::Storm => "storm",
            Self::Quiet => "quiet",
        }
    }
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Number of devices, each with its own login and connection
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub devices: u32,
    /// Message rate of all devices together, such as 2000/s or 30/m
    #[arg(long, value_name = "RATE", default_value = "200/s")]
    pub rate: Rate,
    /// What the devices do
    #[arg(long, value_enum, default_value = "city")]
    pub scenario: ScenarioName,
    /// Determines who sends what and when; also part of the device ids
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How long the devices send
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// Record what was acknowledged and when, for "sosstack ledger verify"; the file must not exist yet
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Simulate even on a cluster other than the local stack, where somebody may act on the presses
    #[arg(long)]
    pub real_emergencies: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
