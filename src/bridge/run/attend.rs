//! A bridge beside whoever looks after it: signals, what happens, and a look at the counts now and then.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::happening::Happening;
use super::service::{self, Settings};
use crate::shutdown::Shutdown;

/// Between two looks at the counts.
const LOOK: Duration = Duration::from_secs(1);

/// What whoever looks after a bridge is told.
#[derive(Debug)]
pub enum Word {
    Happened(Happening),
    /// SIGHUP: the routes are to be read again.
    ReadAgain,
    /// A second is over: the counts may be shown.
    Look,
}

/// Bridges until a signal asks it to end. `hear` is called in the same task, between the bridge's turns.
///
/// # Errors
/// Those of [`service::run`] and of `hear`, which ends the bridge.
pub async fn attend(settings: Settings, shutdown: &Shutdown, mut hear: impl FnMut(Word) -> Result<()>) -> Result<()> {
    let (said, mut says) = unbounded_channel();
    let stop = CancellationToken::new();
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let tell = Arc::new(move |happening| drop(said.send(happening)));
    let mut bridge = pin!(service::run(settings, tell, stop.clone()));
    let mut look = tokio::time::interval(LOOK);
    let ended = loop {
        tokio::select! {
            ended = &mut bridge => break ended,
            () = shutdown.requested(), if !stop.is_cancelled() => stop.cancel(),
            Some(happening) = says.recv() => hear(Word::Happened(happening))?,
            _ = hang_up.recv() => hear(Word::ReadAgain)?,
            _ = look.tick() => hear(Word::Look)?,
        }
    };
    while let Ok(happening) = says.try_recv() {
        hear(Word::Happened(happening))?;
    }
    ended
}
