//! `sosstack bridge probe`

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{Context, reach};
use crate::about::{About, Remedy};
use crate::cli::bridge::ProbeArgs;
use crate::failure::Failure;
use crate::observe::press;
use crate::reach::{Reach, Who};

/// What a press as the probe came to; `sosstack bridge probe --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::commands) struct Proven {
    /// From the press until its record was read from Kafka.
    milliseconds: f64,
}

pub(super) async fn run(context: &Context, args: &ProbeArgs) -> Result<()> {
    let reach = reach::resolve_as(context, &args.cluster, Who::Probe).await?;
    let mqtt = reach.mqtt.ok_or_else(Reach::no_mqtt)?;
    let kafka = reach.kafka.ok_or_else(Reach::no_kafka)?;
    let proven = context.shutdown.guard(press::prove(&mqtt, &kafka, args.timeout)).await;
    let took = proven.map_err(|error| explained(error, &reach.about))?;
    let proven = Proven { milliseconds: (took.as_secs_f64() * 10_000.0).round() / 10.0 };
    context.ui.conclude(&proven, |proven| {
        format!("a press gets through: {} ms from the button to Kafka", proven.milliseconds)
    })
}

/// A broker that cannot be reached says itself what to do.
fn explained(error: anyhow::Error, about: &About) -> anyhow::Error {
    if error.chain().any(<dyn std::error::Error>::is::<Failure>) {
        return error;
    }
    let remedy = if about.is_elsewhere() {
        Remedy::words("what the bridge prints and its /readyz say why")
    } else {
        Remedy::words(format!("{} shows what is broken", about.command("doctor")))
    };
    Failure::Failed { cause: format!("a press does not get through: {error:#}"), remedy }.into()
}
