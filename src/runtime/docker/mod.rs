//! Docker: the only user of bollard. Labels are the only state, and nothing is mounted from this machine.

mod answers;
mod archives;
mod connect;
mod create;
mod grace;
pub mod images;
mod inventory;
mod labels;
mod log_text;
mod login;
mod logs;
mod memory;
mod names;
mod ports;
mod pull;
mod reach;
mod remove;
mod replace;
mod settings;
mod upload;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use futures_util::stream::BoxStream;

use super::archives::{Archives, UnusedArchive};
use super::{Created, Inventory, LogLine, LogQuery, PortOwner, Runtime, RuntimeKind, classes};
use crate::event::Report;
use crate::shutdown::Shutdown;
use crate::stack::{Role, Service, Stack, StackName};
use crate::target::Target;
use crate::workload::{ConfigFile, Workload};
use images::Image;

/// Whether the user named a daemon, by `DOCKER_HOST` or a context.
pub fn is_chosen() -> bool {
    !matches!(settings::Surroundings::of_this_process().chosen(), Ok(None))
}

/// A Docker (or Podman) daemon that has answered.
#[derive(Debug, Clone)]
pub struct Docker {
    client: bollard::Docker,
}

impl Docker {
    /// Finds a daemon: `DOCKER_HOST`, the docker command's current context, or the usual sockets of
    /// Docker and Podman, and agrees on an API version with it.
    ///
    /// # Errors
    /// [`crate::failure::Failure::NoRuntime`], which tells apart: none installed, not running, not allowed, on another
    /// machine;
    /// [`crate::failure::Failure::Usage`] when a context is named that is not there.
    pub async fn connect() -> Result<Self> {
        Ok(Self { client: connect::connect().await? })
    }

    /// The daemon's version, such as `20.10.24`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String> {
        let version = self.client.version().await.context("asking Docker for its version")?;
        Ok(version.version.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// An image as the daemon has it.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub async fn images(&self, names: &[String]) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for name in names {
            images.push(images::inspect(&self.client, name).await?);
        }
        Ok(images)
    }

    /// Pulls what is not on this machine.
    ///
    /// # Errors
    /// [`crate::failure::Failure::NoRuntime`] with the daemon's own words.
    pub async fn pull_missing(&self, images: &[String], report: Report<'_>) -> Result<()> {
        let missing = self.missing_images(images).await?;
        Ok(pull::pull_all(&self.client, &missing, report).await?)
    }

    /// Writes images into one archive, whole or not at all; its size in bytes.
    ///
    /// # Errors
    /// When an image is not here, the file cannot be written, or a signal comes: then there is no archive.
    pub async fn save_images(
        &self,
        images: &[String],
        file: &Path,
        report: Report<'_>,
        shutdown: &Shutdown,
    ) -> Result<u64> {
        images::save(&self.client, images, file, report, shutdown).await
    }

    /// Loads an archive of images; the names that the daemon loaded.
    ///
    /// # Errors
    /// When the file cannot be read or is not such an archive.
    pub async fn load_images(&self, file: &Path) -> Result<Vec<String>> {
        images::load(&self.client, file).await
    }

    /// Which container publishes a port of this machine.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub(super) async fn port_owner(&self, port: u16) -> Result<Option<PortOwner>> {
        ports::owner(&self.client, port).await
    }

    /// Those of the images that are not on this machine, each once, sorted.
    pub async fn missing_images(&self, images: &[String]) -> Result<Vec<String>> {
        pull::missing(&self.client, images.iter().map(String::as_str)).await
    }
}

#[async_trait]
impl Runtime for Docker {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    /// Podman makes up another id for each answer.
    async fn daemon(&self) -> Result<Option<String>> {
        let asking = || "asking Docker for its id";
        let (info, version) = tokio::try_join!(self.client.info(), self.client.version()).with_context(asking)?;
        let is_podman = version.components.iter().flatten().any(|component| component.name.starts_with("Podman"));
        Ok(info.id.filter(|id| !id.is_empty() && !is_podman))
    }

    async fn target(&self, _stack: &Stack) -> Result<Target> {
        Ok(Target::Docker)
    }

    async fn fetch(
        &self,
        _stack: &Stack,
        workloads: &[Workload],
        report: Report<'_>,
        shutdown: &Shutdown,
    ) -> Result<()> {
        let images = workloads.iter().map(|workload| workload.image.as_str());
        // Dropping a pull ends it: the daemon keeps whole layers only.
        let fetching = async {
            let missing = pull::missing(&self.client, images).await?;
            Ok(pull::pull_all(&self.client, &missing, report).await?)
        };
        shutdown.guard(fetching).await
    }

    async fn inventory(&self, stack: &StackName) -> Result<Inventory> {
        inventory::inventory(&self.client, stack).await
    }

    async fn stacks(&self) -> Result<Vec<StackName>> {
        inventory::stacks(&self.client).await
    }

    async fn prepare(&self, stack: &Stack) -> Result<()> {
        create::ensure_network(&self.client, stack).await
    }

    /// A container in state [`super::State::Created`] may lack its files, as its maker may have been
    /// killed: remove it and create it again, never start it, unless this very process created it.
    async fn create(&self, stack: &Stack, workload: &Workload) -> Result<Created> {
        create::create(&self.client, stack, workload).await
    }

    async fn start(&self, stack: &StackName, service: Service) -> Result<()> {
        replace::recover(&self.client, stack, service).await?;
        replace::start(&self.client, stack, service).await
    }

    async fn replace(&self, stack: &Stack, workload: &Workload) -> Result<Created> {
        replace::replace(&self.client, stack, workload).await
    }

    async fn resume(&self, stack: &StackName, service: Service) -> Result<()> {
        let name = names::container(stack, service);
        self.client.unpause_container(&name).await.with_context(|| format!("resuming container {name}"))
    }

    async fn stop(&self, stack: &StackName, service: Service, grace: Duration) -> Result<()> {
        let name = names::container(stack, service);
        let seconds = grace::whole_seconds(grace);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let client = self.client.clone();
        // The answer comes when the container has ended.
        let patience = client.timeout() + grace;
        answers::found(client.with_timeout(patience).stop_container(&name, Some(options)).await)
            .map(drop)
            .with_context(|| format!("stopping container {name}"))
    }

    async fn remove(&self, stack: &StackName, service: Service) -> Result<()> {
        remove::container(&self.client, &names::container(stack, service)).await?;
        remove::container(&self.client, &names::former(stack, service)).await
    }

    /// The hash is written last: a kill in between leads to one reload too many, never to one too few.
    async fn reload(&self, stack: &StackName, service: Service, files: &[ConfigFile], live_hash: &str) -> Result<()> {
        let name = names::container(stack, service);
        let inspected = self.client.inspect_container(&name, None::<InspectContainerOptions>).await;
        let user = inspected.with_context(|| format!("inspecting container {name}"))?.config.and_then(|c| c.user);
        let user = user.as_deref().and_then(|user| user.split(':').next()?.parse().ok()).unwrap_or(0);
        upload::send(&self.client, &name, upload::of_files(files, user)?).await?;
        let hangup = KillContainerOptionsBuilder::new().signal("SIGHUP").build();
        self.client
            .kill_container(&name, Some(hangup))
            .await
            .with_context(|| format!("telling container {name} to reload its files"))?;
        upload::send(&self.client, &name, upload::of_files(&[upload::live_hash_file(live_hash)], user)?).await
    }

    async fn remove_volumes(&self, stack: &StackName, volumes: &[String]) -> Result<()> {
        remove::volumes(&self.client, stack, volumes).await
    }

    async fn retire(&self, stack: &StackName) -> Result<()> {
        remove::network(&self.client, stack).await
    }

    async fn memory(&self, stack: &StackName, services: &[Service]) -> Result<Vec<(Service, u64)>> {
        memory::memory(&self.client, stack, services).await
    }

    async fn logs(&self, stack: &StackName, query: LogQuery) -> Result<BoxStream<'static, Result<LogLine>>> {
        let existing = inventory::services(&self.client, stack).await?;
        let wanted = |service: &Service| query.services.is_empty() || query.services.contains(service);
        let services: Vec<_> = existing.into_iter().filter(wanted).collect();
        logs::logs(&self.client, stack, &services, &query).await
    }
}

#[async_trait]
impl Archives for Docker {
    async fn missing_archives(&self, stack: &StackName) -> Result<Vec<Role>> {
        let mut missing = Vec::new();
        for role in classes::ROLES {
            if archives::is_missing(&self.client, stack, role).await? {
                missing.push(role);
            }
        }
        Ok(missing)
    }

    async fn make_archive(&self, stack: &StackName, role: Role) -> Result<()> {
        archives::make(&self.client, stack, role).await
    }

    async fn unused_archives(&self, stack: &Stack) -> Result<Vec<UnusedArchive>> {
        archives::unused(&self.client, stack).await
    }

    async fn remove_archive(&self, name: &str) -> Result<()> {
        archives::remove(&self.client, name).await
    }
}
