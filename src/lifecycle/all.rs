//! Work on several services at once.

use anyhow::Result;
use futures_util::future::join_all;

/// Does all of it to its end, and then fails if any of it failed.
pub(super) async fn all(work: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    join_all(work).await.into_iter().collect()
}
