//! Calls of the client library that block, and how they are waited for.

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

/// Runs work that blocks in a thread of its own. Who stops waiting, for a signal or a deadline, is not held up: a call
/// that is under way is left to its own time-out, and the work's token says that it need not begin another.
///
/// # Errors
/// Those of the work.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    let abandoned = CancellationToken::new();
    let _tells_when_dropped = abandoned.clone().drop_guard();
    tokio::task::spawn_blocking(move || work(&abandoned)).await.context("running the Kafka client")?
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_is_told_that_nobody_waits_any_more() {
        let (say, heard) = channel();
        let work = blocking(move |abandoned| {
            while !abandoned.is_cancelled() {
                std::thread::yield_now();
            }
            Ok(say.send(())?)
        });
        assert!(tokio::time::timeout(Duration::from_millis(1), work).await.is_err());
        heard.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
