//! Which verb a command is.

use anyhow::Result;

use super::{
    Context, archives, bridge, completions, config, context, device, doctor, down, env, export, group, images, ledger,
    list, logs, prune, publish, read, restart, seed, simulate, start, status, stop, topic, trace, up, verify,
};
use crate::cli::Command;
use crate::cli::bridge::BridgeCommand;

/// Runs one command; a signal ends it at once, unless it has an end of its own to come to.
///
/// # Errors
/// Whatever stopped it; see [`crate::failure::Failure`] for those with a remedy.
pub async fn run(context: &Context, command: &Command) -> Result<()> {
    let work = dispatch(context, command);
    if ends_in_order(command) { work.await } else { context.shutdown.guard(work).await }
}

/// Whether a command hears of signals itself: it undoes what it did, says what became of it, or was meant to go on
/// until a signal comes.
fn ends_in_order(command: &Command) -> bool {
    matches!(
        command,
        Command::Up(_)
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Restart(_)
            | Command::Down(_)
            | Command::Pub(_)
            | Command::Sub(_)
            | Command::Tail(_)
            | Command::Logs(_)
            | Command::Simulate(_)
            | Command::Status(_)
            | Command::Images(_)
            | Command::Bridge(BridgeCommand::Run(_) | BridgeCommand::Dlq(_))
            | Command::MakeArchives
    )
}

async fn dispatch(context: &Context, command: &Command) -> Result<()> {
    match command {
        Command::Up(args) => up::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Doctor => doctor::run(context).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Env(args) => env::run(context, args).await,
        Command::Pub(args) => publish::run(context, args).await,
        Command::Sub(args) => read::subscribe(context, args).await,
        Command::Tail(args) => read::tail(context, args).await,
        Command::Topic(args) => topic::run(context, args).await,
        Command::Group(args) => group::run(context, args).await,
        Command::Context(command) => context::run(context, command),
        Command::Device(command) => device::run(context, command).await,
        Command::Simulate(args) => simulate::run(context, args).await,
        Command::Ledger(command) => ledger::run(context, command).await,
        Command::Trace(args) => trace::run(context, args).await,
        Command::Seed(args) => seed::run(context, args).await,
        Command::Config(args) => config::run(context, args).await,
        Command::Export(command) => export::run(context, command).await,
        Command::Verify(command) => verify::run(context, command).await,
        Command::Bridge(command) => bridge::run(context, command).await,
        Command::Stop(args) => stop::run(context, args).await,
        Command::Start(args) => start::run(context, args).await,
        Command::Restart(args) => restart::run(context, args).await,
        Command::Down(args) => down::run(context, args).await,
        Command::List => list::run(context).await,
        Command::Images(command) => images::run(context, command).await,
        Command::Prune(args) => prune::run(context, args).await,
        Command::MakeArchives => archives::run(context).await,
        Command::Completions { shell } => completions::run(*shell),
    }
}
