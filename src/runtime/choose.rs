//! Which runtime: the one that has the stack, the one that was asked for, or the one that works here.

use std::path::PathBuf;

use anyhow::Result;

use super::docker::{self, Docker};
use super::process::Process;
use super::{Inventory, Runtime, RuntimeKind};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::stack::StackName;

/// A stack that exists, and who runs it.
pub struct Found {
    pub runtime: Box<dyn Runtime>,
    pub inventory: Inventory,
}

/// What can be used on this machine.
pub struct Available {
    pub runtimes: Vec<Box<dyn Runtime>>,
    pub without_docker: Option<anyhow::Error>,
    /// It does not answer, although the user named a daemon: stacks of that one are not known.
    pub misses_daemon: bool,
}

/// Looks for a stack in both runtimes; one with instances comes before one with data only.
///
/// # Errors
/// When a runtime answers, but not with an inventory; [`Failure::NoRuntime`] when the stack is in Docker, which does not
/// answer, or on another daemon than the one that does. Else that Docker is not there is no error.
pub async fn find(paths: &Paths, kafka_home: Option<PathBuf>, name: &StackName) -> Result<Option<Found>> {
    let mut found: Vec<Found> = Vec::new();
    let Available { runtimes, without_docker, .. } = available(paths, kafka_home).await?;
    let mut without = Vec::new();
    for runtime in runtimes {
        let inventory = runtime.inventory(name).await?;
        if !inventory.instances.is_empty() || !inventory.volumes.is_empty() || inventory.exists {
            found.push(Found { runtime, inventory });
        } else {
            without.push(runtime);
        }
    }
    let memo = Memo::read(&paths.stack(name))?;
    if found.is_empty() && memo.runtime == Some(RuntimeKind::Docker) {
        if let Some(refusal) = without_docker {
            return Err(unreachable(name, &refusal));
        }
        if let Some(noted) = &memo.daemon
            && is_elsewhere(&without, noted).await?
        {
            return Err(on_another_daemon(paths, name));
        }
    }
    let runs = |found: &Found| found.inventory.instances.iter().any(|instance| instance.state.is_alive());
    // What this user made comes before what somebody else may have made by the same name.
    let is_foreign = |found: &Found| memo.runtime.is_some_and(|kind| kind != found.runtime.kind());
    found.sort_by_key(|found| (is_foreign(found), !runs(found), found.inventory.instances.is_empty()));
    Ok(found.into_iter().next())
}

/// Every runtime that answers, and why Docker does not: processes always do, Docker when its daemon does.
///
/// # Errors
/// [`Failure::Usage`] when the user chose a daemon in a way that cannot be meant.
pub async fn available(paths: &Paths, kafka_home: Option<PathBuf>) -> Result<Available> {
    let mut runtimes: Vec<Box<dyn Runtime>> = vec![Box::new(Process::new(paths, kafka_home))];
    let without_docker = match Docker::connect().await {
        Ok(docker) => {
            runtimes.push(Box::new(docker));
            None
        }
        Err(error) if matches!(error.downcast_ref(), Some(Failure::Usage { .. })) => return Err(error),
        Err(error) => Some(error),
    };
    let misses_daemon = without_docker.is_some() && docker::is_chosen();
    Ok(Available { runtimes, without_docker, misses_daemon })
}

/// A stack whose runtime is away is not gone: to say so, or to make an empty one, would look like a loss.
fn unreachable(name: &StackName, refusal: &anyhow::Error) -> anyhow::Error {
    Failure::NoRuntime {
        cause: format!("stack {name} is in Docker: {refusal:#}"),
        remedy: Remedy::words("start that daemon, or name the one that has the stack: DOCKER_HOST"),
    }
    .into()
}

/// Whether the daemon that answers is another one than the one of this id.
async fn is_elsewhere(runtimes: &[Box<dyn Runtime>], noted: &str) -> Result<bool> {
    let Some(docker) = runtimes.iter().find(|runtime| runtime.kind() == RuntimeKind::Docker) else { return Ok(false) };
    Ok(docker.daemon().await?.is_some_and(|id| id != noted))
}

/// As for a daemon that does not answer.
fn on_another_daemon(paths: &Paths, name: &StackName) -> anyhow::Error {
    Failure::NoRuntime {
        cause: format!("stack {name} was made on another Docker daemon than the one that answers here"),
        remedy: Remedy::words(format!(
            "name the daemon that has it (DOCKER_HOST or DOCKER_CONTEXT), or choose another name: --stack NAME; \
             if that daemon is gone for good, remove {}",
            paths.stack(name).display()
        )),
    }
    .into()
}

/// Connects to the runtime that was asked for.
///
/// # Errors
/// [`Failure::NoRuntime`] when Docker does not answer.
pub async fn connect(kind: RuntimeKind, paths: &Paths, kafka_home: Option<PathBuf>) -> Result<Box<dyn Runtime>> {
    Ok(match kind {
        RuntimeKind::Docker => Box::new(Docker::connect().await?),
        RuntimeKind::Process => Box::new(Process::new(paths, kafka_home)),
    })
}

/// The failure when neither runtime works, from the failures of both.
pub fn neither(docker: &anyhow::Error, process: &anyhow::Error) -> anyhow::Error {
    let remedy = |error: &anyhow::Error| error.downcast_ref::<Failure>().and_then(Failure::remedy).cloned();
    Failure::NoRuntime {
        cause: format!("nothing here can run the stack\n  with Docker: {docker:#}\n  as processes: {process:#}"),
        remedy: Remedy::either([remedy(process), remedy(docker)].into_iter().flatten()),
    }
    .into()
}
