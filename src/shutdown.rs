//! Signals become a token that work is given as a parameter; no globals.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Cancelled by the first SIGINT or SIGTERM; the second one ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    signal: Arc<AtomicI32>,
}

impl Shutdown {
    /// Starts listening for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// When the process may not install signal handlers.
    pub fn listen() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                };
                if listener.token.is_cancelled() {
                    std::process::exit(128 + number);
                }
                listener.signal.store(number, Ordering::Relaxed);
                listener.token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// Resolves once a signal arrived.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether a signal arrived.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The failure that ends a command which a signal cut short.
    pub fn interrupted(&self) -> Failure {
        Failure::Interrupted { signal: self.signal.load(Ordering::Relaxed).max(2) }
    }

    /// Runs `work` unless a signal comes first.
    ///
    /// # Errors
    /// Those of `work`, or [`Failure::Interrupted`].
    pub async fn guard<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            () = self.requested() => Err(self.interrupted().into()),
            result = work => result,
        }
    }
}
