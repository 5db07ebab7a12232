//! Whose devices are whose, as `sosstack bridge` asks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use super::super::Context;
use crate::about::Remedy;
use crate::bridge::owners::Owners;
use crate::failure::Failure;
use crate::secrets::Accounts;
use crate::stack::Stack;
use crate::stack::owner_list::OwnerList;

/// To whom devices belong: by the stack file, and by those that were enrolled since.
pub(super) fn owners(context: &Context, stack: &Stack) -> Result<Owners> {
    Source::of(context, stack, None).read().map(|read| read.owners)
}

/// Where a bridge learns owners: in the stack file, among the stack's accounts, and in a list of its own.
pub(super) struct Source {
    stack_dir: PathBuf,
    named: Vec<(String, Option<String>)>,
    list: Option<PathBuf>,
}

/// What a [`Source`] says now.
pub(super) struct Read {
    pub owners: Owners,
    /// Whether the list has all its parts, which are replaced one after the other.
    pub is_whole: bool,
}

/// What changes with what a [`Source`] says.
#[derive(PartialEq, Eq)]
pub(super) struct Version {
    accounts: Option<SystemTime>,
    list: Vec<(PathBuf, u64, Option<SystemTime>, u64)>,
}

impl Source {
    pub(super) fn of(context: &Context, stack: &Stack, list: Option<&Path>) -> Self {
        let named = stack.devices.iter().map(|device| (device.id.clone(), device.owner.clone())).collect();
        Self { stack_dir: context.paths.stack(&stack.name), named, list: list.map(Path::to_owned) }
    }

    /// # Errors
    /// [`Failure::Usage`] where a line of the list is not valid; others when a file cannot be read.
    pub(super) fn read(&self) -> Result<Read> {
        let enrolled = Accounts::read(&self.stack_dir)?.into_iter().flat_map(|accounts| accounts.devices);
        let enrolled = enrolled.map(|(id, enrolled)| (id, enrolled.owner));
        let listed = self.list.as_deref().map_or(Ok(OwnerList { is_whole: true, ..OwnerList::default() }), listed)?;
        let owners = self.named.iter().cloned().chain(enrolled).chain(listed.owners).collect();
        Ok(Read { owners, is_whole: listed.is_whole })
    }

    pub(super) fn version(&self) -> Version {
        let list = self.list.as_deref().and_then(|list| files(list).ok()).unwrap_or_default();
        let list = list.into_iter().map(|path| {
            let metadata = fs::metadata(&path).ok();
            let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            let (inode, size) = metadata.map_or((0, 0), |metadata| (metadata.ino(), metadata.len()));
            (path, inode, changed, size)
        });
        Version { accounts: Accounts::changed(&self.stack_dir), list: list.collect() }
    }
}

fn listed(path: &Path) -> Result<OwnerList> {
    let files = files(path)?;
    let read =
        |file: &PathBuf| fs::read_to_string(file).with_context(|| format!("reading owners from {}", file.display()));
    let texts: Vec<String> = files.iter().map(read).collect::<Result<_>>()?;
    let parsed = OwnerList::parse(texts.iter().map(String::as_str));
    parsed.map_err(|(file, line)| {
        let remedy = Remedy::words("write a device and its user, separated by a blank, such as: panic-0001 user-1001");
        Failure::Usage { cause: format!("{}:{line}: not a device and its owner", files[file].display()), remedy }.into()
    })
}

/// A list, or the lists in a directory, in the order of their names. Hidden ones are Kubernetes' own.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading owners from {}", path.display());
    if !fs::metadata(path).with_context(reading)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
