//! What runtimes keep in this user's cache directory and no stack needs any more.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::jars_of;
use crate::paths::{Paths, children};
use crate::stack::{Stack, StackName};

/// A file or folder that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    pub path: PathBuf,
    pub why: &'static str,
}

/// Jars of versions that neither the effective stack nor any stack of processes uses, and half-fetched ones. `living`
/// are the stacks that there are.
pub fn unused(stack: &Stack, paths: &Paths, living: &[StackName]) -> Vec<Unused> {
    let current = jars_of(paths, stack);
    let used = |dir: &Path| {
        let text = dir.display().to_string();
        let of_stack = |name: &StackName| class_paths(&paths.stack(name)).iter().any(|path| path.contains(&text));
        dir == current || living.iter().any(of_stack)
    };
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|extension| extension == end);
    let why = |path: &Path| match path {
        path if ends(path, "lock") => None,
        path if ends(path, "partial") => {
            (!is_locked(&path.with_extension("lock"))).then_some("jars that were only partly fetched")
        }
        path => (!used(path)).then_some("jars of a version that no stack uses"),
    };
    let entries = children(&paths.cache.join("jars")).into_iter();
    entries.filter_map(|path| why(&path).map(|why| Unused { path, why })).collect()
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
