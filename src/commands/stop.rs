//! `sosstack stop`

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::selected::Selected;
use crate::cli::ServicesArgs;
use crate::event::{self, Step};
use crate::lifecycle::{bridges, credentials, down};
use crate::runtime::Runtime;
use crate::stack::{Member, StackName};
use crate::ui::Ui;

/// The result of `stop`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    stopped: Vec<Member>,
}

pub(super) async fn run(context: &Context, args: &ServicesArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "stop").await?;
    let (_, found) = context.shutdown.guard(context.running()).await?;
    context.shutdown.guard(credentials::ensure_made_here(&*found.runtime, &context.paths, &name)).await?;
    let selected = Selected::of(context, &name, &found.inventory, &args.services)?;
    stop(context, &*found.runtime, &name, &selected).await?;
    if context.ui.is_json() {
        Ui::print_json(&Outcome { stack: name, stopped: selected.members() })?;
    }
    Ok(())
}

/// Bridges first: what they have in flight gets to the brokers.
pub(super) async fn stop(
    context: &Context,
    runtime: &dyn Runtime,
    name: &StackName,
    selected: &Selected,
) -> Result<()> {
    let report = &|event| context.ui.report(event);
    bridges::stop(&context.paths, name, &selected.bridges, report).await?;
    if selected.services.is_empty() {
        return Ok(());
    }
    event::step(report, Step::StopServices, async {
        down::stop_in_order(runtime, &context.paths, name, &selected.services).await?;
        anyhow::Ok(((), event::Outcome::Stopped { count: selected.services.len() }))
    })
    .await
}
