//! `sosstack start`

use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, selected};
use crate::cli::StartArgs;
use crate::lifecycle::credentials;
use crate::lifecycle::start::{self, Start};
use crate::runtime::Runtime;
use crate::stack::{Service, Stack, StackName};
use crate::ui::Ui;

/// The result of `start` and `restart`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    started: Vec<Service>,
    /// Whether the whole stack was.
    proven_ready: bool,
}

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "start").await?;
    let (stack, found) = context.shutdown.guard(context.running()).await?;
    credentials::ensure_there(&context.paths, &name, &found.inventory)?;
    let services = selected(&found.inventory, &args.services.services)?;
    start(context, &stack, &*found.runtime, &services, args.timeout).await
}

/// Starts services and says whether the stack was proven ready.
pub(super) async fn start(
    context: &Context,
    stack: &Stack,
    runtime: &dyn Runtime,
    services: &[Service],
    timeout: Duration,
) -> Result<()> {
    let request = Start { stack, runtime, paths: &context.paths, services, timeout };
    let proven = start::start(&request, &|event| context.ui.report(event), &context.shutdown).await?;
    if !proven {
        let status = stack.name.about().command("status");
        context
            .ui
            .say(&format!("Started. Other services of the stack are stopped, so it was not proven ready: {status}"));
    }
    if context.ui.is_json() {
        Ui::print_json(&Outcome { stack: stack.name.clone(), started: services.to_vec(), proven_ready: proven })?;
    }
    Ok(())
}
