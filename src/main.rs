//! The `sosstack` command: parse, listen for signals, run, turn the error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use sosstack::cli::{Cli, Global, Output};
use sosstack::commands::{self, Context};
use sosstack::failure::Failure;
use sosstack::paths::Paths;
use sosstack::shutdown::Shutdown;
use sosstack::ui::{ClosedStdout, Manner, Ui};

/// For librdkafka above all, whose threads free what others allocated: by its feature `override` the C code
/// linked here takes it too. A sixth less CPU while reading a topic than with glibc's (`benches/clients.sh`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui(&cli.global).fail(&anyhow::Error::new(error).context("starting threads"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(cli));
    // Calls that block, of a client library or on a terminal, and that nobody waits for any more, would hold up the end.
    runtime.shutdown_background();
    code
}

async fn run(cli: Cli) -> ExitCode {
    let ui = ui(&cli.global);
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

fn ui(global: &Global) -> Ui {
    Ui::new(Manner { quiet: global.quiet, json: global.output == Output::Json })
}
