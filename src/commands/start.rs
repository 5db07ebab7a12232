//! `sosstack start`

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Context, selected};
use crate::cli::StartArgs;
use crate::lifecycle::credentials;
use crate::lifecycle::start::{self, Start};
use crate::runtime::Runtime;
use crate::stack::{Service, Stack};
use crate::ui::Ui;

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
        Ui::print_json(&json!({ "stack": stack.name, "started": services, "proven_ready": proven }))?;
    }
    Ok(())
}
