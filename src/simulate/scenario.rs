//! What devices do in a scenario, as `seed-data/scenarios.yaml` says it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a message is about, before its device decides on the topic: whoever stands within a fence leaves it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Telemetry,
    Location,
    Heartrate,
    Activity,
    Battery,
    Status,
    Geofence,
    Alert,
    Fall,
    Press,
    Trigger,
}

/// What all devices together do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Shares of the messages, in any unit.
    pub mix: BTreeMap<Kind, u32>,
    #[serde(default)]
    pub wave: Option<Wave>,
}

/// Many press at about the same time, again and again; beside the rate. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    pub first: f64,
    pub every: f64,
    /// Of all devices, from 0 to 1.
    pub share: f64,
    /// How long it takes until all have pressed.
    pub within: f64,
    /// Whether each loses its connection before it presses.
    #[serde(default)]
    pub reconnect: bool,
}

impl Scenario {
    /// The scenario of a name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn of(name: &str) -> Result<Self> {
        let mut all: BTreeMap<String, Self> =
            serde_yaml::from_str(include_str!("../../seed-data/scenarios.yaml")).context("reading the scenarios")?;
        all.remove(name).with_context(|| format!("there is no scenario {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::cli::simulate::ScenarioName;

    #[test]
    fn each_name_has_a_scenario_that_can_be_played() {
        for name in ScenarioName::value_variants() {
            let scenario = Scenario::of(name.as_str()).unwrap();
            assert!(scenario.mix.values().sum::<u32>() > 0, "{}", name.as_str());
            if let Some(wave) = scenario.wave {
                assert!(wave.every > wave.within && (0.0..=1.0).contains(&wave.share), "{wave:?}");
            }
        }
        assert!(Scenario::of("storm").unwrap().wave.unwrap().reconnect);
        assert!(Scenario::of("flood").is_err());
    }
}
