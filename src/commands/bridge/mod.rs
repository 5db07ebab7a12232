//! `sosstack bridge`

mod check;
mod dlq;
mod dlq_chosen;
mod dlq_replay;
mod dlq_text;
mod journal;
mod login;
mod owners;
pub(super) mod probe;
mod run;

use anyhow::Result;

use super::Context;
use crate::bridge::jq::worker;
use crate::cli::bridge::BridgeCommand;

pub(super) async fn run(context: &Context, command: &BridgeCommand) -> Result<()> {
    match command {
        BridgeCommand::Check(args) => check::run(context, args).await,
        BridgeCommand::Run(args) => run::run(context, args).await,
        BridgeCommand::Probe(args) => probe::run(context, args).await,
        BridgeCommand::Journal(command) => journal::run(context, command).await,
        BridgeCommand::Dlq(args) => dlq::run(context, args).await,
        BridgeCommand::Evaluate => {
            context.shutdown.guard_blocking(|| worker::run(std::io::stdin(), std::io::stdout())).await
        }
    }
}
