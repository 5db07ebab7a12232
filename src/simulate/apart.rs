//! A simulation in a thread of its own.

use anyhow::{Context as _, Result};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::{Outcome, Request, run};
use crate::event::Report;
use crate::shutdown::Shutdown;

/// As [`run`], on a runtime of one thread: with several, every acknowledgement wakes one thread to wake another. A signal
/// ends it early, which is not an error.
///
/// # Errors
/// Those of [`run`].
pub async fn run_apart(request: Request, shutdown: &Shutdown, report: Report<'_>) -> Result<Outcome> {
    let (say, mut said) = unbounded_channel();
    let stop = CancellationToken::new();
    let told = stop.clone();
    let work = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing devices")?;
        let report = |event| drop(say.send(event));
        let played = runtime.block_on(run(&request, &told, &report));
        runtime.shutdown_background();
        played
    };
    let playing = tokio::task::spawn_blocking(work);
    loop {
        tokio::select! {
            event = said.recv() => match event {
                Some(event) => report(event),
                None => break,
            },
            () = shutdown.requested(), if !stop.is_cancelled() => stop.cancel(),
        }
    }
    playing.await.context("running the devices")?
}
