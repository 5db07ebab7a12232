//! `sosstack bridge`

mod check;
mod journal;
mod run;

use std::path::Path;

use anyhow::Result;

use super::Context;
use crate::bridge::jq::worker;
use crate::bridge::owners::Owners;
use crate::cli::bridge::BridgeCommand;
use crate::secrets::Accounts;
use crate::stack::Stack;

pub(super) async fn run(context: &Context, command: &BridgeCommand) -> Result<()> {
    match command {
        BridgeCommand::Check(args) => check::run(context, args).await,
        BridgeCommand::Run(args) => run::run(context, args).await,
        BridgeCommand::Journal(command) => journal::run(context, command).await,
        BridgeCommand::Evaluate => {
            context.shutdown.guard_blocking(|| worker::run(std::io::stdin(), std::io::stdout())).await
        }
    }
}

/// To whom devices belong: by the stack file, and by those that were enrolled since.
fn owners(context: &Context, stack: &Stack) -> Result<Owners> {
    owners_in(&context.paths.stack(&stack.name), stack)
}

fn owners_in(stack_dir: &Path, stack: &Stack) -> Result<Owners> {
    let named = stack.devices.iter().map(|device| (device.id.clone(), device.owner.clone()));
    let enrolled = Accounts::read(stack_dir)?.into_iter().flat_map(|accounts| accounts.devices);
    Ok(named.chain(enrolled.map(|(id, enrolled)| (id, enrolled.owner))).collect())
}
