//! What nobody needs any more: caches of versions that no stack uses, leavings of stacks that hold nothing worth keeping.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::leavings::{self, Leavings};
use super::lock::Lock;
use crate::event::{Event, Notice, Report};
use crate::paths::{Paths, size};
use crate::runtime::caches::{self, Unused};
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::secrets::Accounts;
use crate::stack::{Stack, StackName};

/// One thing that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Waste {
    /// A file or folder in the cache or data directory.
    Path {
        path: PathBuf,
        bytes: u64,
        why: String,
        /// The stack whose it was; None for a cache.
        #[serde(skip)]
        stack: Option<StackName>,
    },
    /// An archive of classes that no stack maps.
    Archive { runtime: RuntimeKind, name: String, bytes: Option<u64>, why: String },
}

/// What a look around came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    pub waste: Vec<Waste>,
    /// What looks like waste and is left alone: why, and how it goes all the same.
    pub kept: Vec<String>,
}

/// Finds waste; `runtimes` are those that answer.
///
/// # Errors
/// When a runtime does not tell its stacks.
pub async fn find(stack: &Stack, paths: &Paths, runtimes: &[Box<dyn Runtime>]) -> Result<Look> {
    let mut look = Look::default();
    let busy = busy(paths);
    let mut living = Vec::new();
    let mut daemon = None;
    for runtime in runtimes {
        if let Some(holder) = &busy {
            look.kept.push(format!("{}, which {holder} may be about to use", caches_of(&**runtime)));
        } else {
            look.waste.extend(archives(stack, &**runtime).await?);
        }
        for name in runtime.stacks().await? {
            // A stack that cannot be read, such as a newer sosstack's, is alive.
            if let Ok(inventory) = runtime.inventory(&name).await {
                look.kept.extend(without_credentials(paths, &name, &**runtime, &inventory));
            }
            living.push(name);
        }
        daemon = daemon.or(runtime.daemon().await?);
    }
    if busy.is_none() {
        look.waste.extend(caches::unused(stack, paths, &living).into_iter().map(of_cache));
    }
    // Without Docker's answer it is not known which of its stacks are alive.
    if runtimes.iter().any(|runtime| runtime.kind() == RuntimeKind::Docker) {
        for name in leavings::stacks(paths).into_iter().filter(|name| !living.contains(name)) {
            match leavings::of(paths, &name, daemon.as_deref()) {
                Leavings::Waste(path) => look.waste.push(of_stack(path, name)),
                Leavings::Kept(words) => look.kept.push(words),
                Leavings::Nothing => {}
            }
        }
    }
    Ok(look)
}

async fn archives(stack: &Stack, runtime: &dyn Runtime) -> Result<Vec<Waste>> {
    let archives = runtime.unused_archives(stack).await?.into_iter();
    let waste = archives.map(|archive| Waste::Archive {
        runtime: runtime.kind(),
        name: archive.name,
        bytes: archive.bytes,
        why: "an archive of classes that no stack uses".to_owned(),
    });
    Ok(waste.collect())
}

/// One that does not run and for which this user has no credentials is somebody else's of the same Docker, or holds the
/// only copy of somebody's messages.
fn without_credentials(
    paths: &Paths,
    name: &StackName,
    runtime: &dyn Runtime,
    inventory: &Inventory,
) -> Option<String> {
    let runs = inventory.instances.iter().any(|instance| instance.state.is_alive());
    let has_none = Accounts::read(&paths.stack(name)).is_ok_and(|accounts| accounts.is_none());
    (!runs && has_none).then(|| {
        format!(
            "stack {name} ({}, {} services, {} volumes) does not run, and its credentials are not here: it may be another \
             user's. To remove it with its data: {}",
            runtime.kind().as_str(),
            inventory.instances.len(),
            inventory.volumes.len(),
            name.about_another().command("down --volumes --not-mine")
        )
    })
}

/// Who works on a stack of this user just now, from jars and archives that no stack may use yet.
fn busy(paths: &Paths) -> Option<String> {
    leavings::stacks(paths).iter().find_map(|name| Lock::holder(paths, name))
}

fn caches_of(runtime: &dyn Runtime) -> &'static str {
    match runtime.kind() {
        RuntimeKind::Docker => "Docker's archives of classes",
        RuntimeKind::Process => "jars and archives of classes",
    }
}

/// Removes what was found, but for what somebody has come to need since; what is gone.
///
/// # Errors
/// When something cannot be removed; the rest stays then.
pub async fn remove(
    waste: Vec<Waste>,
    paths: &Paths,
    runtimes: &[Box<dyn Runtime>],
    report: Report<'_>,
) -> Result<Vec<Waste>> {
    let mut removed = Vec::new();
    for item in waste {
        if remove_one(&item, paths, runtimes, report).await? {
            removed.push(item);
        }
    }
    Ok(removed)
}

async fn remove_one(waste: &Waste, paths: &Paths, runtimes: &[Box<dyn Runtime>], report: Report<'_>) -> Result<bool> {
    match waste {
        Waste::Path { stack: Some(name), .. } => remove_leavings(paths, name, runtimes, report).await,
        Waste::Path { .. } | Waste::Archive { .. } if busy(paths).is_some() => Ok(false),
        Waste::Path { path, stack: None, .. } => gone(path).map(|()| true),
        Waste::Archive { runtime, name, .. } => {
            let found = runtimes.iter().find(|candidate| candidate.kind() == *runtime);
            let runtime = found.with_context(|| format!("the {} runtime is no longer available", runtime.as_str()))?;
            runtime.remove_archive(name).await.map(|()| true)
        }
    }
}

/// Looks again under the stack's lock: it may have been made anew while the user thought about it.
async fn remove_leavings(
    paths: &Paths,
    name: &StackName,
    runtimes: &[Box<dyn Runtime>],
    report: Report<'_>,
) -> Result<bool> {
    let lock = match Lock::at_once(paths, name, "prune")? {
        Ok(lock) => lock,
        Err(holder) => {
            report(Event::Noticed(Notice::LeftAlone { holder, stack: name.clone() }));
            return Ok(false);
        }
    };
    let mut daemon = None;
    for runtime in runtimes {
        if runtime.stacks().await?.contains(name) {
            return Ok(false);
        }
        daemon = daemon.or(runtime.daemon().await?);
    }
    let dir = paths.stack(name);
    if dir.exists() {
        if leavings::worth_keeping(paths, name, daemon.as_deref()).is_some() {
            return Ok(false);
        }
        gone(&dir)?;
    }
    lock.remove();
    Ok(true)
}

fn gone(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("removing {}", path.display()))
}

fn of_cache(Unused { path, why }: Unused) -> Waste {
    Waste::Path { bytes: size(&path), path, why: why.to_owned(), stack: None }
}

fn of_stack(path: PathBuf, name: StackName) -> Waste {
    let why = "left over from a removed stack; holds no login and no data".to_owned();
    Waste::Path { bytes: size(&path), path, why, stack: Some(name) }
}
