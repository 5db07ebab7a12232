//! `sosstack start`

use anyhow::Result;
use serde_json::json;

use super::{Context, selected};
use crate::cli::StartArgs;
use crate::lifecycle::start::{self, Start};
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<()> {
    let name = context.load(None)?.stack.name;
    let _lock = context.lock(&name, "start").await?;
    let (stack, found) = context.running().await?;
    let services = selected(&found.inventory, &args.services.services)?;
    let request = Start {
        stack: &stack,
        runtime: &*found.runtime,
        paths: &context.paths,
        services: &services,
        timeout: args.timeout,
    };
    let proven = context.shutdown.guard(start::start(&request, &|event| context.ui.report(event))).await?;
    if !proven {
        context.ui.say("Started. Other services of the stack are stopped, so it was not proven ready: sosstack status");
    }
    if context.ui.is_json() {
        Ui::print_json(&json!({ "stack": name, "started": services, "proven_ready": proven }))?;
    }
    Ok(())
}
