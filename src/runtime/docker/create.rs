//! Makes networks, volumes and containers from workloads.

use std::collections::HashMap;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType, NetworkCreateRequest,
    NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectNetworkOptions, RemoveVolumeOptions};

use super::labels::{self, ContainerLabels};
use super::{answers, archives, grace, names, remove, upload};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::runtime::{Created, classes};
use crate::stack::{Stack, StackName};
use crate::workload::{PublishedPort, Volume, Workload};

/// The stack's network, which its containers and those of applications share.
pub(super) async fn ensure_network(docker: &Docker, stack: &Stack) -> Result<()> {
    let name = names::network(&stack.name);
    let existing = answers::found(docker.inspect_network(&name, None::<InspectNetworkOptions>).await)
        .with_context(|| format!("looking for network {name}"))?;
    if existing.is_some() {
        return Ok(());
    }
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels::of_network(&stack.name, stack.ports.offset)),
        ..NetworkCreateRequest::default()
    };
    match docker.create_network(request).await {
        Ok(_) => Ok(()),
        // Somebody else was faster.
        Err(error) if answers::status(&error) == Some(409) => Ok(()),
        Err(error) if answers::words(&error).contains("address pool") => Err(Failure::Failed {
            cause: format!("Docker has no addresses left for network {name}: {}", answers::words(&error)),
            remedy: Remedy::words("remove networks that nothing uses: docker network prune"),
        }
        .into()),
        Err(error) => Err(error).with_context(|| format!("creating network {name}")),
    }
}

/// Makes volumes, then the container, then uploads its files. What is made is undone on failure; when
/// the process is killed in between, the container is left in state `created`, which nobody may start.
pub(super) async fn create(docker: &Docker, stack: &Stack, workload: &Workload) -> Result<Created> {
    let mut created = Created::default();
    let result = create_parts(docker, stack, workload, &mut created).await;
    if result.is_err() {
        for volume in &created.volumes {
            let name = names::volume(&stack.name, volume);
            let _ = docker.remove_volume(&name, None::<RemoveVolumeOptions>).await;
        }
    }
    result.map(|()| created)
}

async fn create_parts(docker: &Docker, stack: &Stack, workload: &Workload, created: &mut Created) -> Result<()> {
    for volume in &workload.volumes {
        if create_volume(docker, stack, volume).await? {
            created.volumes.push(volume.name.clone());
        }
    }
    let name = names::container(&stack.name, workload.service);
    let tar = upload::of_workload(workload)?;
    let mut body = container_body(stack, workload);
    // Not part of the workload: with or without an archive it is the same service.
    let (classes, archive) = archives::classes_of(docker, workload).await?;
    body.entrypoint = Some(classes::apply(&workload.command, &classes));
    body.host_config.get_or_insert_default().mounts.get_or_insert_default().extend(archive);
    create_container(docker, &name, &workload.image, body).await?;
    let sent = upload::send(docker, &name, tar).await;
    if sent.is_err() {
        let _ = remove::container(docker, &name).await;
    }
    sent
}

/// Whether the volume is new.
async fn create_volume(docker: &Docker, stack: &Stack, volume: &Volume) -> Result<bool> {
    let name = names::volume(&stack.name, &volume.name);
    let describe = || format!("creating volume {name}");
    if answers::found(docker.inspect_volume(&name).await).with_context(describe)?.is_some() {
        return Ok(false);
    }
    let request = VolumeCreateRequest {
        name: Some(name.clone()),
        labels: Some(labels::of_volume(&stack.name, stack.ports.offset, &volume.name)),
        ..VolumeCreateRequest::default()
    };
    docker.create_volume(request).await.with_context(describe)?;
    Ok(true)
}

async fn create_container(docker: &Docker, name: &str, image: &str, body: ContainerCreateBody) -> Result<()> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    match docker.create_container(Some(options), body).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(&error, name, image).unwrap_or_else(|| error.into()))
            .with_context(|| format!("creating container {name}")),
    }
}

fn refused(error: &Error, name: &str, image: &str) -> Option<anyhow::Error> {
    let (cause, remedy) = match answers::status(error)? {
        409 => (format!("container {name} already exists"), format!("remove it: docker rm --force {name}")),
        404 => (
            format!("image {image} is not on this machine: {}", answers::words(error)),
            format!("fetch it: docker pull {image}"),
        ),
        _ => return None,
    };
    Some(Failure::Failed { cause, remedy: Remedy::words(remedy) }.into())
}

/// What Docker is asked for; a pure function.
fn container_body(stack: &Stack, workload: &Workload) -> ContainerCreateBody {
    let network = names::network(&stack.name);
    let endpoint = EndpointSettings { aliases: Some(workload.aliases.clone()), ..EndpointSettings::default() };
    let labels = ContainerLabels {
        stack: stack.name.clone(),
        service: workload.service,
        config_hash: workload.config_hash(),
        port_offset: stack.ports.offset,
        ports: workload.ports.clone(),
        live_hash: workload.live_hash(),
        live_files: workload.files.iter().any(|file| file.live),
    };
    ContainerCreateBody {
        image: Some(workload.image.clone()),
        hostname: Some(workload.service.to_string()),
        // The image's own entrypoint would prepare what is prepared already, and be in SIGTERM's way.
        entrypoint: Some(workload.command.clone()),
        cmd: Some(Vec::new()),
        user: Some(format!("{0}:{0}", workload.user)),
        labels: Some(labels.to_map()),
        exposed_ports: Some(workload.ports.iter().copied().map(container_port).collect()),
        stop_timeout: Some(grace::whole_seconds(workload.stop_grace).into()),
        host_config: Some(host_config(&stack.name, workload, network.clone())),
        networking_config: Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(network, endpoint)])) }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(stack: &StackName, workload: &Workload, network: String) -> HostConfig {
    let scratch = workload.scratch.iter().map(|path| (path.display().to_string(), "rw,mode=1777".to_owned()));
    HostConfig {
        network_mode: Some(network),
        port_bindings: Some(port_bindings(&workload.ports)),
        mounts: Some(workload.volumes.iter().map(|volume| mount(stack, volume)).collect()),
        tmpfs: Some(scratch.collect()),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        memory: i64::try_from(workload.memory).ok(),
        init: Some(false),
        log_config: Some(log_config()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        ..HostConfig::default()
    }
}

/// Bounded, and readable by `docker logs` and by us, whatever the daemon's default driver is.
fn log_config() -> HostConfigLogConfig {
    let options = [("max-size", "10m"), ("max-file", "3")];
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(HashMap::from(options.map(|(name, value)| (name.to_owned(), value.to_owned())))),
    }
}

fn mount(stack: &StackName, volume: &Volume) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(names::volume(stack, &volume.name)),
        target: Some(volume.path.display().to_string()),
        ..Mount::default()
    }
}

fn container_port(port: PublishedPort) -> String {
    format!("{}/tcp", port.container)
}

/// Several host ports may lead to one port of the container.
fn port_bindings(ports: &[PublishedPort]) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.host.to_string()) };
        bindings.entry(container_port(*port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}
