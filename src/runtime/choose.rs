//! Which runtime: the one that has the stack, the one that was asked for, or the one that works here.

use std::path::PathBuf;

use anyhow::Result;

use super::docker::Docker;
use super::process::Process;
use super::{Inventory, Runtime, RuntimeKind};
use crate::failure::Failure;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::stack::StackName;

/// A stack that exists, and who runs it.
pub struct Found {
    pub runtime: Box<dyn Runtime>,
    pub inventory: Inventory,
}

/// Looks for a stack in both runtimes; one with instances comes before one with data only.
///
/// # Errors
/// When a runtime answers, but not with an inventory; [`Failure::NoRuntime`] when the stack is in Docker, which does not
/// answer. Else that Docker is not there is no error.
pub async fn find(paths: &Paths, kafka_home: Option<PathBuf>, name: &StackName) -> Result<Option<Found>> {
    let mut found: Vec<Found> = Vec::new();
    let (runtimes, docker_refused) = connected(paths, kafka_home).await;
    for runtime in runtimes {
        let inventory = runtime.inventory(name).await?;
        if !inventory.instances.is_empty() || !inventory.volumes.is_empty() || inventory.exists {
            found.push(Found { runtime, inventory });
        }
    }
    if let (true, Some(refusal)) = (found.is_empty(), docker_refused)
        && Memo::read(&paths.stack(name))?.runtime == Some(RuntimeKind::Docker)
    {
        return Err(unreachable(name, &refusal));
    }
    let runs = |found: &Found| found.inventory.instances.iter().any(|instance| instance.state.is_alive());
    found.sort_by_key(|found| (!runs(found), found.inventory.instances.is_empty()));
    Ok(found.into_iter().next())
}

/// Every runtime that answers: processes always, Docker when its daemon does.
pub async fn available(paths: &Paths, kafka_home: Option<PathBuf>) -> Vec<Box<dyn Runtime>> {
    connected(paths, kafka_home).await.0
}

/// The runtimes that answer, and why Docker does not.
async fn connected(paths: &Paths, kafka_home: Option<PathBuf>) -> (Vec<Box<dyn Runtime>>, Option<anyhow::Error>) {
    let mut runtimes: Vec<Box<dyn Runtime>> = vec![Box::new(Process::new(paths, kafka_home))];
    match Docker::connect().await {
        Ok(docker) => {
            runtimes.push(Box::new(docker));
            (runtimes, None)
        }
        Err(error) => (runtimes, Some(error)),
    }
}

/// A stack whose runtime is away is not gone: to say so, or to make an empty one, would look like a loss.
fn unreachable(name: &StackName, refusal: &anyhow::Error) -> anyhow::Error {
    Failure::NoRuntime {
        cause: format!("stack {name} is in Docker: {refusal:#}"),
        remedy: "start that daemon, or name the one that has the stack: DOCKER_HOST".to_owned(),
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
    let remedy = |error: &anyhow::Error| error.downcast_ref::<Failure>().and_then(Failure::remedy).map(str::to_owned);
    let remedies = [remedy(process), remedy(docker)].into_iter().flatten().collect::<Vec<_>>();
    Failure::NoRuntime {
        cause: format!("nothing here can run the stack\n  with Docker: {docker:#}\n  as processes: {process:#}"),
        remedy: remedies.join("\n  or: "),
    }
    .into()
}
