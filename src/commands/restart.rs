//! `sosstack restart`

use anyhow::Result;

use super::{Context, selected, start};
use crate::cli::StartArgs;
use crate::event::{self, Outcome, Step};
use crate::lifecycle::{credentials, down};

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "restart").await?;
    let (stack, found) = context.shutdown.guard(context.running()).await?;
    credentials::ensure_there(&context.paths, &name, &found.inventory)?;
    let services = selected(&found.inventory, &args.services.services)?;
    event::step(&|event| context.ui.report(event), Step::StopServices, async {
        down::stop_in_order(&*found.runtime, &context.paths, &name, &services).await?;
        anyhow::Ok(((), Outcome::Stopped { count: services.len() }))
    })
    .await?;
    start::start(context, &stack, &*found.runtime, &services, args.timeout).await
}
