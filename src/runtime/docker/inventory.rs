//! What Docker has of a stack, read from labels and states.

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::future::try_join_all;

use super::labels::{self, ContainerLabels, Map};
use super::{answers, names, upload};
use crate::runtime::{Instance, Inventory, State};
use crate::stack::{Service, StackName};

/// Exit statuses of a service that was asked to end: by itself, SIGINT, SIGKILL after the grace, SIGTERM.
const ASKED_TO_END: [i64; 4] = [0, 130, 137, 143];

/// The hash of no configuration: a container that was set aside is not started under its name, but replaced.
const SET_ASIDE: &str = "";

pub(super) async fn inventory(docker: &Docker, stack: &StackName) -> Result<Inventory> {
    let (containers, volumes, networks) = tokio::try_join!(
        containers(docker, Some(stack)),
        volume_labels(docker, Some(stack)),
        network_labels(docker, stack)
    )?;
    let labelled = containers.iter().filter_map(|container| container.labels.as_ref()).chain(&volumes).chain(&networks);
    if let Some(format) = labelled.map(labels::format).find(|format| *format > crate::runtime::FORMAT) {
        return Err(crate::runtime::newer(stack, format).into());
    }
    let instances = try_join_all(containers.iter().map(|container| instance(docker, container))).await?;
    let instances = without_former(instances.into_iter().flatten().collect());
    let mut names: Vec<_> = volumes.iter().filter_map(labels::volume).map(str::to_owned).collect();
    names.sort_unstable();
    let offsets = instances.iter().map(|instance| instance.port_offset);
    let port_offset = offsets.chain(networks.iter().chain(&volumes).filter_map(labels::port_offset)).next();
    Ok(Inventory { instances, volumes: names, port_offset, exists: !networks.is_empty() })
}

pub(super) async fn stacks(docker: &Docker) -> Result<Vec<StackName>> {
    let (containers, volumes) = tokio::try_join!(containers(docker, None), volume_labels(docker, None))?;
    let of_containers = containers.into_iter().filter_map(|container| container.labels);
    let mut names: Vec<_> = of_containers.chain(volumes).filter_map(|map| labels::stack(&map)).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The services of a stack that have a container, sorted.
pub(super) async fn services(docker: &Docker, stack: &StackName) -> Result<Vec<Service>> {
    let containers = containers(docker, Some(stack)).await?;
    let labels = containers.iter().filter_map(|container| ContainerLabels::parse(container.labels.as_ref()?));
    let mut services: Vec<_> = labels.map(|labels| labels.service).collect();
    services.sort_unstable();
    services.dedup();
    Ok(services)
}

async fn containers(docker: &Docker, stack: Option<&StackName>) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(&labels::filter(stack)).build();
    docker.list_containers(Some(options)).await.context("listing Docker's containers")
}

async fn volume_labels(docker: &Docker, stack: Option<&StackName>) -> Result<Vec<Map>> {
    let options = ListVolumesOptionsBuilder::new().filters(&labels::filter(stack)).build();
    let list = docker.list_volumes(Some(options)).await.context("listing Docker's volumes")?;
    Ok(list.volumes.unwrap_or_default().into_iter().map(|volume| volume.labels).collect())
}

async fn network_labels(docker: &Docker, stack: &StackName) -> Result<Vec<Map>> {
    let options = ListNetworksOptionsBuilder::new().filters(&labels::filter(Some(stack))).build();
    let list = docker.list_networks(Some(options)).await.context("listing Docker's networks")?;
    Ok(list.into_iter().filter_map(|network| network.labels).collect())
}

/// None when the container is not one of ours, or was removed while we looked.
async fn instance(docker: &Docker, summary: &ContainerSummary) -> Result<Option<Instance>> {
    let Some(labels) = summary.labels.as_ref().and_then(ContainerLabels::parse) else { return Ok(None) };
    let id = summary.id.as_deref().unwrap_or_default();
    let inspected = answers::found(docker.inspect_container(id, None::<InspectContainerOptions>).await)
        .with_context(|| format!("inspecting container {id}"))?;
    let Some(inspected) = inspected else { return Ok(None) };
    let live_hash = if labels.live_files {
        upload::read_live_hash(docker, id).await?.unwrap_or_default()
    } else {
        labels.live_hash.clone()
    };
    Ok(Some(describe(labels, &inspected, live_hash)))
}

/// Sorted; of a service that was being replaced when sosstack was killed, the newer container.
fn without_former(mut instances: Vec<Instance>) -> Vec<Instance> {
    instances.sort_by_key(|instance| (instance.service, instance.config_hash == SET_ASIDE));
    instances.dedup_by_key(|instance| instance.service);
    instances
}

fn describe(labels: ContainerLabels, inspected: &ContainerInspectResponse, live_hash: String) -> Instance {
    let state = inspected.state.clone().unwrap_or_default();
    let running = state.running == Some(true);
    let started = state.started_at.as_deref().filter(|_| running).and_then(|text| text.parse().ok());
    let id = inspected.id.as_deref().unwrap_or_default();
    let is_former = inspected.name.as_ref().is_some_and(|name| name.ends_with(names::FORMER));
    Instance {
        service: labels.service,
        config_hash: if is_former { SET_ASIDE.to_owned() } else { labels.config_hash },
        live_hash,
        port_offset: labels.port_offset,
        ports: labels.ports,
        state: state_of(&state),
        started,
        handle: id.chars().take(12).collect(),
        restarts: inspected.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
    }
}

/// A container that dies is started again by Docker, so one that has ended was made to: by `stop`, or
/// by giving up on a start, which leaves an error or another exit status.
fn state_of(state: &ContainerState) -> State {
    use ContainerStateStatusEnum as Status;
    match state.status {
        Some(Status::CREATED) => State::Created,
        Some(Status::RUNNING) => State::Running,
        Some(Status::PAUSED) => State::Paused,
        Some(Status::RESTARTING) => State::Restarting,
        _ => {
            let failed = state.error.as_deref().is_some_and(|error| !error.is_empty());
            match state.exit_code {
                Some(code) if !failed && ASKED_TO_END.contains(&code) => State::Stopped,
                code => State::Exited { code },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(exit_code: i64, error: &str) -> State {
        state_of(&ContainerState {
            status: Some(ContainerStateStatusEnum::EXITED),
            exit_code: Some(exit_code),
            error: Some(error.to_owned()),
            ..ContainerState::default()
        })
    }

    #[test]
    fn an_end_by_signal_was_asked_for() {
        assert_eq!(exited(143, ""), State::Stopped);
        assert_eq!(exited(137, ""), State::Stopped);
        assert_eq!(exited(1, ""), State::Exited { code: Some(1) });
        assert_eq!(exited(0, "port is already allocated"), State::Exited { code: Some(0) });
    }
}
