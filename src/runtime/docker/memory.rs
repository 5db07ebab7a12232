//! Resident memory of containers.

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::models::ContainerMemoryStats;
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::{answers, names};
use crate::stack::{Service, StackName};

/// Leaves out services that do not run.
pub(super) async fn memory(docker: &Docker, stack: &StackName, services: &[Service]) -> Result<Vec<(Service, u64)>> {
    let figures = try_join_all(services.iter().map(|&service| async move {
        let name = names::container(stack, service);
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut answer = std::pin::pin!(docker.stats(&name, Some(options)));
        let stats =
            answers::found(answer.try_next().await).with_context(|| format!("reading memory of container {name}"))?;
        let bytes = stats.flatten().and_then(|stats| stats.memory_stats).and_then(|stats| working_set(&stats));
        anyhow::Ok(bytes.map(|bytes| (service, bytes)))
    }));
    Ok(figures.await?.into_iter().flatten().collect())
}

/// Usage without the page cache that the kernel may drop at any time, as `docker stats` shows it.
/// The key differs between versions of control groups.
fn working_set(stats: &ContainerMemoryStats) -> Option<u64> {
    let cached =
        stats.stats.as_ref().and_then(|all| all.get("total_inactive_file").or_else(|| all.get("inactive_file")));
    Some(stats.usage?.saturating_sub(cached.copied().unwrap_or(0)))
}
