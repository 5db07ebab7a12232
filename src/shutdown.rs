//! Signals become a token that work is given as a parameter; no globals.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Cancelled by the first SIGINT or SIGTERM; the second one ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    signal: Arc<AtomicI32>,
    helpers: Arc<Mutex<Vec<Pid>>>,
}

/// A group of processes that does not outlive this one, for as long as this is held.
#[derive(Debug)]
pub struct Helper {
    group: Pid,
    all: Arc<Mutex<Vec<Pid>>>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        lock(&self.all).retain(|group| *group != self.group);
    }
}

fn lock(groups: &Mutex<Vec<Pid>>) -> MutexGuard<'_, Vec<Pid>> {
    groups.lock().unwrap_or_else(PoisonError::into_inner)
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
                    for group in lock(&listener.helpers).drain(..) {
                        let _ = kill_process_group(group, Signal::KILL);
                    }
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

    /// Takes a group of child processes along when a second signal ends this process at once.
    pub fn take_along(&self, group: Pid) -> Helper {
        lock(&self.helpers).push(group);
        Helper { group, all: Arc::clone(&self.helpers) }
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

    /// Runs work that blocks, such as reading a pipe, unless a signal comes first: then its thread is left to the end
    /// of the process, which does not wait for it.
    ///
    /// # Errors
    /// Those of `work`, or [`Failure::Interrupted`].
    pub async fn guard_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.guard(async { tokio::task::spawn_blocking(work).await? }).await
    }
}
