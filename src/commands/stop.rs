//! `sosstack stop`

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, selected};
use crate::cli::ServicesArgs;
use crate::event::{self, Step};
use crate::lifecycle::{credentials, down};
use crate::stack::{Service, StackName};
use crate::ui::Ui;

/// The result of `stop`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    stopped: Vec<Service>,
}

pub(super) async fn run(context: &Context, args: &ServicesArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "stop").await?;
    let (_, found) = context.shutdown.guard(context.running()).await?;
    context.shutdown.guard(credentials::ensure_made_here(&*found.runtime, &context.paths, &name)).await?;
    let services = selected(&found.inventory, &args.services)?;
    event::step(&|event| context.ui.report(event), Step::StopServices, async {
        down::stop_in_order(&*found.runtime, &context.paths, &name, &services).await?;
        anyhow::Ok(((), event::Outcome::Stopped { count: services.len() }))
    })
    .await?;
    if context.ui.is_json() {
        Ui::print_json(&Outcome { stack: name, stopped: services })?;
    }
    Ok(())
}
