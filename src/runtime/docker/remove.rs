//! Removes containers, volumes and networks of a stack; what is gone already is fine.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bollard::Docker;
use bollard::query_parameters::{
    InspectContainerOptions, InspectNetworkOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{answers, labels, names};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::stack::StackName;

/// How long a removal that somebody else began may take.
const REMOVAL: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Kills the container if it runs. Its anonymous volumes go with it, its named ones stay.
pub(super) async fn container(docker: &Docker, name: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Ok(()) => Ok(()),
        Err(error) => match answers::status(&error) {
            Some(404) => Ok(()),
            // An interrupted command's removal is still going on.
            Some(409) => wait_until_gone(docker, name).await,
            _ => Err(error).with_context(|| format!("removing container {name}")),
        },
    }
}

async fn wait_until_gone(docker: &Docker, name: &str) -> Result<()> {
    let deadline = Instant::now() + REMOVAL;
    while Instant::now() < deadline {
        let inspected = docker.inspect_container(name, None::<InspectContainerOptions>).await;
        if answers::found(inspected).with_context(|| format!("inspecting container {name}"))?.is_none() {
            return Ok(());
        }
        sleep(POLL).await;
    }
    bail!("container {name} is being removed by somebody else, but still there after {} s", REMOVAL.as_secs())
}

/// Only volumes whose label names this stack.
pub(super) async fn volumes(docker: &Docker, stack: &StackName, volumes: &[String]) -> Result<()> {
    try_join_all(volumes.iter().map(|volume| async move {
        let name = names::volume(stack, volume);
        let describe = || format!("removing volume {name}");
        let existing = answers::found(docker.inspect_volume(&name).await).with_context(describe)?;
        if existing.is_none_or(|volume| labels::stack(&volume.labels).as_ref() != Some(stack)) {
            return Ok(());
        }
        answers::found(docker.remove_volume(&name, None::<RemoveVolumeOptions>).await).map(drop).with_context(describe)
    }))
    .await
    .map(drop)
}

/// The stack's network, unless containers of others are attached to it.
pub(super) async fn network(docker: &Docker, stack: &StackName) -> Result<()> {
    let name = names::network(stack);
    let existing = answers::found(docker.inspect_network(&name, None::<InspectNetworkOptions>).await)
        .with_context(|| format!("looking for network {name}"))?;
    let Some(network) = existing else { return Ok(()) };
    if network.labels.as_ref().and_then(labels::stack).as_ref() != Some(stack) {
        return Ok(());
    }
    let mut guests: Vec<_> = network.containers.into_iter().flatten().filter_map(|(_, guest)| guest.name).collect();
    if !guests.is_empty() {
        guests.sort_unstable();
        let guests = guests.join(" ");
        return Err(Failure::Failed {
            cause: format!("network {name} stays, as other containers are attached to it: {guests}"),
            remedy: Remedy::words(format!("stop them and try again: docker stop {guests}")),
        }
        .into());
    }
    answers::found(docker.remove_network(&name).await).map(drop).with_context(|| format!("removing network {name}"))
}
