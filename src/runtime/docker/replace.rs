//! A new container in the place of one that has ended: the old one is set aside until the new one has started.

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::{InspectContainerOptions, RenameContainerOptionsBuilder, StartContainerOptions};

use super::{answers, create, names, ports, remove};
use crate::runtime::Created;
use crate::stack::{Service, Stack, StackName};
use crate::workload::Workload;

/// Creates and starts the new one. A kill in between leaves the old one set aside, or both.
pub(super) async fn replace(docker: &Docker, stack: &Stack, workload: &Workload) -> Result<Created> {
    let (name, service) = (&stack.name, workload.service);
    set_aside(docker, name, service).await?;
    let made = async {
        let created = create::create(docker, stack, workload).await?;
        start(docker, name, service).await?;
        anyhow::Ok(created)
    };
    match made.await {
        Ok(created) => {
            // One that stays is removed with the service.
            let _ = remove::container(docker, &names::former(name, service)).await;
            Ok(created)
        }
        Err(error) => {
            put_back(docker, name, service).await.context("putting the earlier container back")?;
            Err(error)
        }
    }
}

pub(super) async fn start(docker: &Docker, stack: &StackName, service: Service) -> Result<()> {
    let name = names::container(stack, service);
    match docker.start_container(&name, None::<StartContainerOptions>).await {
        Ok(()) => Ok(()),
        Err(error) => Err(ports::taken(&error, service).map_or_else(|| error.into(), anyhow::Error::from))
            .with_context(|| format!("starting container {name}")),
    }
}

/// Puts a container back that was set aside by a run that was killed before it made another one.
pub(super) async fn recover(docker: &Docker, stack: &StackName, service: Service) -> Result<()> {
    let is_there = status(docker, &names::container(stack, service)).await?.is_some();
    if is_there { Ok(()) } else { put_back(docker, stack, service).await }
}

/// Gives a container that was set aside its name back, instead of whatever has it.
async fn put_back(docker: &Docker, stack: &StackName, service: Service) -> Result<()> {
    let (name, former) = (names::container(stack, service), names::former(stack, service));
    if status(docker, &former).await?.is_none() {
        return Ok(());
    }
    remove::container(docker, &name).await?;
    rename(docker, &former, &name).await
}

async fn set_aside(docker: &Docker, stack: &StackName, service: Service) -> Result<()> {
    let (name, former) = (names::container(stack, service), names::former(stack, service));
    match status(docker, &name).await? {
        // Set aside already, by a run that was killed.
        None => Ok(()),
        // Never completely made.
        Some(ContainerStateStatusEnum::CREATED) => remove::container(docker, &name).await,
        Some(_) => {
            remove::container(docker, &former).await?;
            rename(docker, &name, &former).await
        }
    }
}

async fn status(docker: &Docker, name: &str) -> Result<Option<ContainerStateStatusEnum>> {
    let inspected = docker.inspect_container(name, None::<InspectContainerOptions>).await;
    let inspected = answers::found(inspected).with_context(|| format!("inspecting container {name}"))?;
    let of = |state: bollard::models::ContainerState| state.status;
    Ok(inspected.map(|container| container.state.and_then(of).unwrap_or(ContainerStateStatusEnum::EMPTY)))
}

async fn rename(docker: &Docker, from: &str, to: &str) -> Result<()> {
    let options = RenameContainerOptionsBuilder::new().name(to).build();
    docker.rename_container(from, options).await.with_context(|| format!("renaming container {from} to {to}"))
}
