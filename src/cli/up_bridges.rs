//! The options of `up` about bridges.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::bridge::interval;

/// All but the first two change how bridges are wanted, and need some: named now, or by an earlier `up`.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct UpBridgesArgs {
    /// Also run the bridge, which brings the devices' MQTT messages to Kafka: an active one and its standby, from now on
    /// with each `up` and `start`
    #[arg(long)]
    pub bridge: bool,
    /// Take the bridges away again; what waits in their journal stays
    #[arg(long, conflicts_with = "bridge")]
    pub no_bridge: bool,
    /// The bridge's routes file, merged over the built-in routes, from now on; --no-bridge-routes goes back to those alone
    #[arg(long, value_name = "FILE", conflicts_with = "no_bridge")]
    pub bridge_routes: Option<PathBuf>,
    #[arg(long, hide = true, conflicts_with_all = ["bridge_routes", "no_bridge"])]
    pub no_bridge_routes: bool,
    /// Have the bridge press as a probe every INTERVAL, from 1s to 1h (30s where none is given), from now on;
    /// --no-bridge-probe ends that
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "30s", value_parser = interval)]
    #[arg(conflicts_with = "no_bridge")]
    pub bridge_probe: Option<Duration>,
    #[arg(long, hide = true, conflicts_with_all = ["bridge_probe", "no_bridge"])]
    pub no_bridge_probe: bool,
    /// Have the bridge publish what services write of emergencies to emergency/{userId}/status, from now on;
    /// --no-bridge-emergency-status ends that
    #[arg(long, conflicts_with = "no_bridge")]
    pub bridge_emergency_status: bool,
    #[arg(long, hide = true, conflicts_with_all = ["bridge_emergency_status", "no_bridge"])]
    pub no_bridge_emergency_status: bool,
}

impl UpBridgesArgs {
    /// An option that changes how bridges are wanted, as it is typed; None where there is none.
    pub fn change(&self) -> Option<&'static str> {
        let given = [
            (self.bridge_routes.is_some(), "--bridge-routes"),
            (self.no_bridge_routes, "--no-bridge-routes"),
            (self.bridge_probe.is_some(), "--bridge-probe"),
            (self.no_bridge_probe, "--no-bridge-probe"),
            (self.bridge_emergency_status, "--bridge-emergency-status"),
            (self.no_bridge_emergency_status, "--no-bridge-emergency-status"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
    }
}
