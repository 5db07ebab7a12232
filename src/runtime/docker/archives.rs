//! Archives of classes in volumes, one a role for each image; shared by all stacks of the daemon.
//!
//! A second, empty volume says that an archive is complete: labels are all that can be read without a container.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, Volume, VolumeCreateRequest};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions,
    ListVolumesOptionsBuilder, RemoveVolumeOptions, StartContainerOptions, WaitContainerOptions,
};
use futures_util::TryStreamExt;

use super::{answers, labels, names, remove, upload};
use crate::runtime::archives::UnusedArchive;
use crate::runtime::classes::{self, Classes};
use crate::stack::{Role, Service, Stack, StackName};
use crate::workload::{ConfigFile, Workload};

/// How the name of the volume ends that says that an archive is complete.
const COMPLETE: &str = "-complete";
/// A maker that has done nothing for so long was left behind by a sosstack that was killed.
const ABANDONED: Duration = Duration::from_secs(5);
/// Between two looks at another maker.
const LOOK: Duration = Duration::from_millis(200);
/// Where an archive's volume is mounted.
const DIR: &str = "/var/cache/sosstack";
const ARCHIVE: &str = "/var/cache/sosstack/classes.jsa";
/// Where the first container of a role notes its classes.
const LIST: &str = "/tmp/sosstack-classes.list";

/// What a new container does about its classes, and the volume that it needs for it.
pub(super) async fn classes_of(docker: &Docker, workload: &Workload) -> Result<(Classes, Option<Mount>)> {
    let role = workload.service.role;
    if !classes::ROLES.contains(&role) {
        return Ok((Classes::Ignore, None));
    }
    let key = key(docker, &workload.image, role).await?;
    if is_complete(docker, &key).await? {
        return Ok((Classes::Map(ARCHIVE.to_owned()), Some(mount(&key, true))));
    }
    let first = workload.service.ordinal == 0;
    Ok((if first { Classes::Note(LIST.to_owned()) } else { Classes::Ignore }, None))
}

/// Whether an archive can and should be made from what the role's first container noted.
pub(super) async fn is_missing(docker: &Docker, stack: &StackName, role: Role) -> Result<bool> {
    let container = names::container(stack, Service { role, ordinal: 0 });
    let inspected = docker.inspect_container(&container, None::<InspectContainerOptions>).await;
    let Some(config) = answers::found(inspected)?.and_then(|inspected| inspected.config) else { return Ok(false) };
    let notes = config.entrypoint.iter().flatten().any(|word| word.ends_with(LIST));
    let image = config.image.unwrap_or_default();
    Ok(notes && !is_complete(docker, &key(docker, &image, role).await?).await?)
}

/// Makes an archive in a container of the same image.
///
/// # Errors
/// When the daemon refuses, or the image's Java cannot make one.
pub(super) async fn make(docker: &Docker, stack: &StackName, role: Role) -> Result<()> {
    let container = names::container(stack, Service { role, ordinal: 0 });
    let inspected = docker.inspect_container(&container, None::<InspectContainerOptions>).await;
    let config = inspected.context("inspecting the role's first container")?.config.unwrap_or_default();
    let image = config.image.unwrap_or_default();
    let command = config.entrypoint.unwrap_or_default();
    let words = classes::dump(&command, LIST, ARCHIVE).context("the container has no class path")?;
    let list = upload::read_file(docker, &container, LIST).await?.context("the container noted no classes")?;
    let key = key(docker, &image, role).await?;
    let user: u32 = config.user.as_deref().and_then(|user| user.split(':').next()?.parse().ok()).unwrap_or(0);
    let file = ConfigFile {
        path: LIST.into(),
        contents: String::from_utf8_lossy(classes::whole_lines(&list)).into_owned(),
        secret: false,
        live: false,
    };
    let maker = names::archive(&key);
    if another_made_it(docker, &maker, &key).await? {
        return Ok(());
    }
    remove::container(docker, &maker).await?;
    let body = ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(words),
        cmd: Some(Vec::new()),
        user: Some(format!("{user}:{user}")),
        labels: Some(labels::of_cache()),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount(&key, false)]),
            network_mode: Some("none".to_owned()),
            // It has time: whoever works on this machine goes first.
            cpu_shares: Some(2),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    create_volume(docker, &names::archive(&key), labels::of_cache()).await?;
    let options = CreateContainerOptionsBuilder::new().name(&maker).build();
    docker.create_container(Some(options), body).await.with_context(|| format!("creating container {maker}"))?;
    let made = run(docker, &maker, upload::of_directory_and_files(DIR.as_ref(), &[file], user)?).await;
    let bytes = size(docker, &maker).await;
    remove::container(docker, &maker).await?;
    made?;
    create_volume(docker, &complete(&key), labels::of_complete(bytes?)).await
}

async fn size(docker: &Docker, maker: &str) -> Result<u64> {
    let options = ContainerArchiveInfoOptionsBuilder::new().path(ARCHIVE).build();
    let file = docker.get_container_archive_info(maker, Some(options)).await;
    Ok(u64::try_from(file.context("looking at the archive of classes")?.size).unwrap_or(0))
}

/// Archives that no container mounts and that are not of the stack's images.
pub(super) async fn unused(docker: &Docker, stack: &Stack) -> Result<Vec<UnusedArchive>> {
    let mut current = Vec::new();
    for (role, image) in [(Role::Zookeeper, &stack.zookeeper.image), (Role::Kafka, &stack.kafka.image)] {
        // Of an image that is not here there is none.
        current.extend(key(docker, image, role).await.map(|key| names::archive(&key)));
    }
    let all = volumes(docker, labels::cache_filter()).await?;
    let mut filter = labels::cache_filter();
    filter.insert("dangling".to_owned(), vec!["true".to_owned()]);
    let dangling: BTreeSet<String> = volumes(docker, filter).await?.into_iter().map(|volume| volume.name).collect();
    let names: BTreeSet<&str> =
        all.iter().map(|volume| volume.name.strip_suffix(COMPLETE).unwrap_or(&volume.name)).collect();
    let is_mounted = |name: &str| all.iter().any(|volume| volume.name == name) && !dangling.contains(name);
    let bytes = |name: &str| {
        let complete = all.iter().find(|volume| volume.name == format!("{name}{COMPLETE}"));
        complete.and_then(|volume| labels::bytes(&volume.labels))
    };
    let unused = names.into_iter().filter(|name| !is_mounted(name) && !current.iter().any(|kept| kept == name));
    Ok(unused.map(|name| UnusedArchive { name: name.to_owned(), bytes: bytes(name) }).collect())
}

/// Removes an archive; first what says that it is complete.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<()> {
    for volume in [format!("{name}{COMPLETE}"), name.to_owned()] {
        answers::found(docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await)
            .with_context(|| format!("removing volume {volume}"))?;
    }
    Ok(())
}

async fn volumes(docker: &Docker, filter: HashMap<String, Vec<String>>) -> Result<Vec<Volume>> {
    let options = ListVolumesOptionsBuilder::new().filters(&filter).build();
    let list = docker.list_volumes(Some(options)).await.context("listing Docker's volumes")?;
    Ok(list.volumes.unwrap_or_default())
}

/// Waits while another sosstack makes this archive; whether it is complete. A container that does nothing any more, or
/// that is gone without a complete archive, is the work of one that was killed.
async fn another_made_it(docker: &Docker, maker: &str, key: &str) -> Result<bool> {
    let mut seen = false;
    let mut idle_since = Instant::now();
    loop {
        if is_complete(docker, key).await? {
            return Ok(true);
        }
        let inspected = docker.inspect_container(maker, None::<InspectContainerOptions>).await;
        let inspected = answers::found(inspected).context("looking for another maker of the archive")?;
        seen |= inspected.is_some();
        if inspected.and_then(|inspected| inspected.state?.running) == Some(true) {
            idle_since = Instant::now();
        } else if !seen || idle_since.elapsed() > ABANDONED {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn run(docker: &Docker, maker: &str, files: Vec<u8>) -> Result<()> {
    upload::send(docker, maker, files).await?;
    docker.start_container(maker, None::<StartContainerOptions>).await.context("starting the archive's maker")?;
    let mut ended = std::pin::pin!(docker.wait_container(maker, None::<WaitContainerOptions>));
    match ended.try_next().await {
        Ok(_) => Ok(()),
        Err(error) => bail!("making an archive of classes failed: {}", answers::words(&error)),
    }
}

async fn create_volume(docker: &Docker, name: &str, labels: labels::Map) -> Result<()> {
    let request = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..Default::default() };
    docker.create_volume(request).await.map(drop).with_context(|| format!("creating volume {name}"))
}

async fn is_complete(docker: &Docker, key: &str) -> Result<bool> {
    Ok(answers::found(docker.inspect_volume(&complete(key)).await)
        .context("looking for an archive of classes")?
        .is_some())
}

fn complete(key: &str) -> String {
    format!("{}{COMPLETE}", names::archive(key))
}

fn mount(key: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(names::archive(key)),
        target: Some(DIR.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// Identifies image and role: an image's id changes with its Java and its jars.
async fn key(docker: &Docker, image: &str, role: Role) -> Result<String> {
    let inspected = docker.inspect_image(image).await.with_context(|| format!("inspecting image {image}"))?;
    let id = inspected.id.unwrap_or_default();
    let digits: String = id.trim_start_matches("sha256:").chars().take(16).collect();
    Ok(format!("{}-{digits}", role.as_str()))
}
