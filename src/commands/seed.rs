//! `sosstack seed`

use anyhow::Result;

use super::Context;
use crate::cli::SeedArgs;
use crate::lifecycle::up::{self, Up};

pub(super) async fn run(context: &Context, args: &SeedArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, "seed").await?;
    let (stack, found) = context.running().await?;
    let request = Up {
        stack: &stack,
        runtime: &*found.runtime,
        paths: &context.paths,
        timeout: args.timeout,
        retain: true,
        accept_data_loss: false,
        replace_credentials: false,
    };
    let seeded = up::seed(&request, &|event| context.ui.report(event)).await?;
    context.ui.conclude(&seeded, |seeded| {
        let (created, changed) = (seeded.created.len(), seeded.changed.len());
        let (topics, devices) = (stack.topics.len(), stack.devices.len());
        format!("{topics} topics ({created} created, {changed} changed), {devices} devices")
    })
}
