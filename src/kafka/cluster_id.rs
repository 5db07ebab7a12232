//! Which cluster it is that answers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::access::Access;
use super::blocking::blocking;
use super::client::let_go;

/// How long one question may take; whoever asks may have stopped waiting.
const QUESTION: Duration = Duration::from_secs(1);

/// The cluster's own id, waited for as long as it takes. Dropping the future gives up.
///
/// # Errors
/// When the settings contradict each other.
pub async fn cluster_id(access: &Access) -> Result<String> {
    let client: BaseConsumer = access.config().create().context("preparing a Kafka client")?;
    blocking(move |abandoned| {
        while !abandoned.is_cancelled() {
            if let Some(id) = client.client().fetch_cluster_id(QUESTION) {
                let_go(client);
                return Ok(id);
            }
        }
        anyhow::bail!("nobody waits for the cluster's id any more")
    })
    .await
}
