//! The `sosstack` command: parse, listen for signals, run, turn the error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use sosstack::cli::Cli;
use sosstack::commands::{self, Context};
use sosstack::failure::Failure;
use sosstack::paths::Paths;
use sosstack::shutdown::Shutdown;
use sosstack::ui::{ClosedStdout, Ui};

/// For librdkafka above all, whose threads free what others allocated: by its feature `override` the C code
/// linked here takes it too. A sixth less CPU while reading a topic than with glibc's (`benches/clients.sh`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(&cli.global);
    let (paths, shutdown) = match Paths::of_this_user().and_then(|paths| Ok((paths, Shutdown::listen()?))) {
        Ok(parts) => parts,
        Err(error) => {
            ui.fail(&error);
            return ExitCode::FAILURE;
        }
    };
    let context = Context { global: cli.global, paths, ui, shutdown };
    match commands::run(&context, &cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ClosedStdout>() => ExitCode::SUCCESS,
        Err(error) => {
            context.ui.fail(&error);
            error.downcast_ref::<Failure>().map_or(ExitCode::FAILURE, |failure| failure.exit_code().into())
        }
    }
}
