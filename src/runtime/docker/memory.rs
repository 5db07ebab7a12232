//! Resident memory of containers.

use std::fs;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::models::ContainerMemoryStats;
use bollard::query_parameters::{InspectContainerOptions, StatsOptionsBuilder};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::{answers, names};
use crate::stack::{Service, StackName};

/// Leaves out services that do not run.
pub(super) async fn memory(docker: &Docker, stack: &StackName, services: &[Service]) -> Result<Vec<(Service, u64)>> {
    let figures = try_join_all(services.iter().map(|&service| async move {
        let name = names::container(stack, service);
        let bytes = match of_process(docker, &name).await? {
            Some(bytes) => Some(bytes),
            None => of_daemon(docker, &name).await?,
        };
        anyhow::Ok(bytes.map(|bytes| (service, bytes)))
    }));
    Ok(figures.await?.into_iter().flatten().collect())
}

/// From this machine's own process table, where the daemon runs on it: the daemon itself takes a second to tell.
/// That a process is really this container's is seen by its control group, which the container's id names.
async fn of_process(docker: &Docker, name: &str) -> Result<Option<u64>> {
    let inspected = docker.inspect_container(name, None::<InspectContainerOptions>).await;
    let inspected = answers::found(inspected).with_context(|| format!("inspecting container {name}"))?;
    let Some((id, pid)) = inspected.and_then(|container| Some((container.id?, container.state?.pid?))) else {
        return Ok(None);
    };
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    if !groups.contains(&id) {
        return Ok(None);
    }
    let sizes = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    Ok(resident_pages(&sizes).map(|pages| pages * rustix::param::page_size() as u64))
}

/// The second figure of `/proc/PID/statm`, in pages: see the manual page `proc_pid_statm(5)`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

async fn of_daemon(docker: &Docker, name: &str) -> Result<Option<u64>> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let mut answer = std::pin::pin!(docker.stats(name, Some(options)));
    let stats =
        answers::found(answer.try_next().await).with_context(|| format!("reading memory of container {name}"))?;
    Ok(stats.flatten().and_then(|stats| stats.memory_stats).and_then(|stats| working_set(&stats)))
}

/// Usage without the page cache that the kernel may drop at any time, as `docker stats` shows it.
/// The key differs between versions of control groups.
fn working_set(stats: &ContainerMemoryStats) -> Option<u64> {
    let cached =
        stats.stats.as_ref().and_then(|all| all.get("total_inactive_file").or_else(|| all.get("inactive_file")));
    Some(stats.usage?.saturating_sub(cached.copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::resident_pages;

    #[test]
    fn the_resident_size_is_the_second_figure() {
        assert_eq!(resident_pages("944556 66000 4000 1 0 90000 0\n"), Some(66000));
        assert_eq!(resident_pages(""), None);
    }
}
