//! `sosstack start`

use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::selected::Selected;
use super::{Context, bridges};
use crate::cli::StartArgs;
use crate::lifecycle::credentials;
use crate::lifecycle::start::{self, Start};
use crate::runtime::Runtime;
use crate::stack::{Member, Stack, StackName};
use crate::ui::Ui;

/// The result of `start` and `restart`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    started: Vec<Member>,
    /// Whether the whole stack was.
    proven_ready: bool,
}

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "start").await?;
    let (stack, found) = context.shutdown.guard(context.running()).await?;
    credentials::ensure_there(&context.paths, &name, &found.inventory)?;
    let selected = Selected::of(context, &name, &found.inventory, &args.services.services)?;
    start(context, &stack, &*found.runtime, &selected, args.timeout).await
}

/// Starts services and bridges, and says whether the stack was proven ready.
pub(super) async fn start(
    context: &Context,
    stack: &Stack,
    runtime: &dyn Runtime,
    selected: &Selected,
    timeout: Duration,
) -> Result<()> {
    let plan = match bridges::remembered(context, &stack.name)? {
        Some(wanted) if !selected.bridges.is_empty() => Some(bridges::plan(context, stack, &wanted)?),
        _ => None,
    };
    let (services, bridges) = (&selected.services, &selected.bridges);
    let request = Start { stack, runtime, paths: &context.paths, services, plan: plan.as_ref(), bridges, timeout };
    let proven = start::start(&request, &|event| context.ui.report(event), &context.shutdown).await?;
    if !proven {
        let status = stack.name.about().command("status");
        context
            .ui
            .say(&format!("Started. Other services of the stack are stopped, so it was not proven ready: {status}"));
    }
    if context.ui.is_json() {
        Ui::print_json(&Outcome { stack: stack.name.clone(), started: selected.members(), proven_ready: proven })?;
    }
    Ok(())
}
