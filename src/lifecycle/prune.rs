//! What nobody needs any more: caches of versions that no stack uses, remains of stacks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::down;
use crate::event::Report;
use crate::paths::{Paths, children, size};
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::secrets::Accounts;
use crate::shutdown::Shutdown;
use crate::stack::{Stack, StackName};

/// One thing that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Waste {
    /// A file or folder in the cache or data directory.
    Path { path: PathBuf, bytes: u64, why: String },
    /// An archive of classes that no stack maps.
    Archive { runtime: RuntimeKind, name: String, bytes: Option<u64>, why: String },
    /// Containers, volumes or folders of a stack that does not run and for which this user has no credentials.
    Stack { stack: StackName, runtime: RuntimeKind, services: usize, volumes: usize, why: String },
}

/// Finds waste; `runtimes` are those that answer.
///
/// # Errors
/// When a runtime does not tell its stacks.
pub async fn find(stack: &Stack, paths: &Paths, runtimes: &[Box<dyn Runtime>]) -> Result<Vec<Waste>> {
    let mut waste = Vec::new();
    let mut living: Vec<(StackName, Inventory)> = Vec::new();
    for runtime in runtimes {
        let archives = runtime.unused_archives(stack).await?;
        waste.extend(archives.into_iter().map(|archive| Waste::Archive {
            runtime: runtime.kind(),
            name: archive.name,
            bytes: archive.bytes,
            why: "an archive of classes that no stack maps".to_owned(),
        }));
        for name in runtime.stacks().await? {
            // A stack that cannot be read, such as a newer sosstack's, is alive.
            let Ok(inventory) = runtime.inventory(&name).await else {
                living.push((name, Inventory::default()));
                continue;
            };
            // One that runs is somebody's, another user's of the same Docker maybe.
            let runs = inventory.instances.iter().any(|instance| instance.state.is_alive());
            if !runs && Accounts::read(&paths.stack(&name)).is_ok_and(|accounts| accounts.is_none()) {
                waste.push(Waste::Stack {
                    stack: name.clone(),
                    runtime: runtime.kind(),
                    services: inventory.instances.len(),
                    volumes: inventory.volumes.len(),
                    why: "it does not run, and this user has no credentials for it".to_owned(),
                });
            }
            living.push((name, inventory));
        }
    }
    waste.extend(caches(stack, paths, &living));
    // Without Docker's answer it is not known which of its stacks are alive.
    if runtimes.iter().any(|runtime| runtime.kind() == RuntimeKind::Docker) {
        waste.extend(remains(paths, &living));
    }
    Ok(waste)
}

/// Removes one thing.
///
/// # Errors
/// When it cannot be removed.
pub async fn remove(
    waste: &Waste,
    paths: &Paths,
    runtimes: &[Box<dyn Runtime>],
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    match waste {
        Waste::Path { path, .. } => {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.with_context(|| format!("removing {}", path.display()))
        }
        Waste::Archive { runtime, name, .. } => find_runtime(runtimes, *runtime)?.remove_archive(name).await,
        Waste::Stack { stack, runtime, .. } => {
            let runtime = find_runtime(runtimes, *runtime)?;
            let inventory = runtime.inventory(stack).await?;
            down::down(runtime, paths, stack, &inventory, true, report, shutdown).await
        }
    }
}

fn find_runtime(runtimes: &[Box<dyn Runtime>], kind: RuntimeKind) -> Result<&dyn Runtime> {
    let found = runtimes.iter().find(|candidate| candidate.kind() == kind);
    found.map(AsRef::as_ref).with_context(|| format!("the {} runtime is not there any more", kind.as_str()))
}

/// Jars of versions that neither the effective stack nor any stack of processes uses, and half-fetched ones.
fn caches(stack: &Stack, paths: &Paths, living: &[(StackName, Inventory)]) -> Vec<Waste> {
    let current = crate::runtime::process::jars_of(paths, stack);
    let used = |dir: &Path| {
        let text = dir.display().to_string();
        let of_stack = |name: &StackName| class_paths(&paths.stack(name)).iter().any(|path| path.contains(&text));
        dir == current || living.iter().any(|(name, _)| of_stack(name))
    };
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|extension| extension == end);
    let why = |path: &Path| match path {
        path if ends(path, "lock") => None,
        path if ends(path, "partial") => {
            (!is_locked(&path.with_extension("lock"))).then_some("jars whose fetching was broken off")
        }
        path => (!used(path)).then_some("jars of a version that no stack uses"),
    };
    let entries = children(&paths.cache.join("jars")).into_iter();
    entries.filter_map(|path| why(&path).map(|why| waste_at(path, why))).collect()
}

/// Whether another sosstack holds the lock at this moment.
fn is_locked(lock: &Path) -> bool {
    fs::File::open(lock).is_ok_and(|lock| lock.try_lock().is_err())
}

/// The commands that a stack of processes recorded, which name its class path.
fn class_paths(stack_dir: &Path) -> Vec<String> {
    let records = children(&stack_dir.join("services")).into_iter().map(|dir| dir.join("instance.json"));
    records.filter_map(|record| fs::read_to_string(record).ok()).collect()
}

/// Credentials and locks of stacks of which nothing else is left.
fn remains(paths: &Paths, living: &[(StackName, Inventory)]) -> Vec<Waste> {
    let of_living = |path: &Path| {
        let stem =
            path.file_name().and_then(|name| name.to_str()).map(|name| name.strip_suffix(".lock").unwrap_or(name));
        living.iter().any(|(name, _)| Some(name.as_str()) == stem)
    };
    let gone = children(&paths.data.join("stacks")).into_iter().filter(|path| !of_living(path));
    gone.map(|path| waste_at(path, "remains of a stack that is gone")).collect()
}

fn waste_at(path: PathBuf, why: &str) -> Waste {
    Waste::Path { bytes: size(&path), path, why: why.to_owned() }
}
