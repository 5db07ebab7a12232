//! `sosstack stop`

use anyhow::Result;
use serde_json::json;

use super::{Context, selected};
use crate::cli::ServicesArgs;
use crate::event::{self, Outcome, Step};
use crate::lifecycle::{credentials, down};
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &ServicesArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "stop").await?;
    let (_, found) = context.shutdown.guard(context.running()).await?;
    context.shutdown.guard(credentials::ensure_made_here(&*found.runtime, &context.paths, &name)).await?;
    let services = selected(&found.inventory, &args.services)?;
    event::step(&|event| context.ui.report(event), Step::StopServices, async {
        down::stop_in_order(&*found.runtime, &context.paths, &name, &services).await?;
        anyhow::Ok(((), Outcome::Stopped { count: services.len() }))
    })
    .await?;
    if context.ui.is_json() {
        Ui::print_json(&json!({ "stack": name, "stopped": services }))?;
    }
    Ok(())
}
