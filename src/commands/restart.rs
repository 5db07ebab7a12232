//! `sosstack restart`

use anyhow::Result;

use super::selected::Selected;
use super::{Context, start, stop};
use crate::cli::StartArgs;
use crate::lifecycle::credentials;

pub(super) async fn run(context: &Context, args: &StartArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "restart").await?;
    let (stack, found) = context.shutdown.guard(context.running()).await?;
    credentials::ensure_there(&context.paths, &name, &found.inventory)?;
    let selected = Selected::of(context, &name, &found.inventory, &args.services.services)?;
    stop::stop(context, &*found.runtime, &name, &selected).await?;
    start::start(context, &stack, &*found.runtime, &selected, args.timeout).await
}
