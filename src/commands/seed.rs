//! `sosstack seed`

use anyhow::Result;

use super::Context;
use crate::cli::SeedArgs;
use crate::lifecycle::up::{self, Up};

pub(super) async fn run(context: &Context, args: &SeedArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "seed").await?;
    let (stack, found) = context.running().await?;
    let request = Up::of_running(&stack, &*found.runtime, &context.paths, args.timeout);
    let seeded = up::seed(&request, &|event| context.ui.report(event)).await?;
    context.ui.conclude(&seeded, |seeded| {
        let (created, changed) = (seeded.created.len(), seeded.changed.len());
        let (topics, devices) = (stack.topics.len(), stack.devices.len());
        format!("{topics} topics ({created} created, {changed} changed), {devices} devices")
    })
}
