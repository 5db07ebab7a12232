//! One file a verb: from arguments to a call, and from the result to what is printed.

mod archives;
mod bridge;
mod bridges;
mod completions;
mod config;
mod context;
mod device;
mod doctor;
#[cfg(test)]
mod documents;
mod down;
mod env;
mod export;
mod export_bridge;
mod export_compose;
mod group;
mod images;
mod ledger;
mod list;
mod logs;
mod prune;
mod publish;
mod reach;
mod read;
mod restart;
mod run;
mod seed;
mod selected;
mod simulate;
mod start;
mod status;
mod stop;
mod topic;
mod topic_tree;
mod trace;
mod trace_text;
mod up;
mod verify;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::about::{About, Remedy};
use crate::cli::Global;
use crate::endpoints::Endpoints;
use crate::failure::Failure;
use crate::lifecycle::lock::Lock;
use crate::lifecycle::{connect, credentials};
use crate::memo::Memo;
use crate::paths::Paths;
use crate::runtime::choose::{self, Found};
use crate::secrets::Accounts;
use crate::shutdown::Shutdown;
use crate::stack::load::{self, Loaded, Overrides, Place};
use crate::stack::{Profile, Stack, StackName};
use crate::ui::Ui;

pub use run::run;

/// How long commands other than `up` wait for another one that works on the same stack.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);

/// What every command is given.
pub struct Context {
    pub global: Global,
    pub paths: Paths,
    pub ui: Ui,
    pub shutdown: Shutdown,
}

impl Context {
    /// The effective stack: seed data, the stack file, and flags over both.
    fn load(&self, port_offset: Option<u16>, profile: Option<Profile>) -> Result<Loaded> {
        let loaded = self.load_as_written(port_offset, profile)?;
        // What --profile said last holds until a flag or the file says something else.
        let kept = Memo::read(&self.paths.stack(&loaded.stack.name))?.profile;
        match kept.filter(|kept| loaded.profile.is_none() && *kept != loaded.stack.profile) {
            Some(kept) => self.load_as_written(port_offset, Some(kept)),
            None => Ok(loaded),
        }
    }

    /// As [`Context::load`], but nothing that this machine remembers of the stack counts.
    fn load_as_written(&self, port_offset: Option<u16>, profile: Option<Profile>) -> Result<Loaded> {
        let overrides = Overrides { name: self.global.stack.clone(), port_offset, profile, place: Place::Laptop };
        load::load(self.stack_file()?.as_deref(), &overrides)
    }

    /// The effective stack as a cluster runs it: what a laptop's `up` remembers does not count.
    fn load_for_cluster(&self, profile: Option<Profile>) -> Result<Stack> {
        let overrides =
            Overrides { name: self.global.stack.clone(), profile, place: Place::Cluster, ..Overrides::default() };
        Ok(load::load(self.stack_file()?.as_deref(), &overrides)?.stack)
    }

    fn stack_file(&self) -> Result<Option<PathBuf>> {
        Ok(match &self.global.file {
            Some(file) => Some(file.clone()),
            None => load::find_file(&std::env::current_dir()?),
        })
    }

    /// The effective stack, and what there is of it on this machine.
    async fn existing(&self) -> Result<(Stack, Option<Found>)> {
        let mut stack = self.load(None, None)?.stack;
        let found = self.shutdown.guard(choose::find(&self.paths, None, &stack.name)).await?;
        // A stack keeps its ports for life: a file without an offset means those.
        let kept = found.as_ref().and_then(|found| found.inventory.port_offset);
        if let Some(offset) = kept.filter(|_| stack.ports.offset == 0) {
            stack.ports.offset = offset;
        }
        Ok((stack, found))
    }

    /// The stack and what runs it.
    ///
    /// # Errors
    /// [`Failure::NotRunning`] when no runtime has instances of it.
    async fn running(&self) -> Result<(Stack, Found)> {
        match self.existing().await? {
            (stack, Some(found)) if !found.inventory.instances.is_empty() => Ok((stack, found)),
            (stack, _) => Err(connect::not_running(&stack.name)),
        }
    }

    /// How to reach the running stack.
    async fn endpoints(&self) -> Result<(Stack, Endpoints)> {
        let (stack, found) = self.running().await?;
        let endpoints = connect::endpoints(&stack, &found.inventory, &self.paths)?;
        Ok((stack, endpoints))
    }

    /// The accounts of a stack, whether it runs or not.
    ///
    /// # Errors
    /// When there are none: the stack was never made, or by somebody else.
    async fn accounts(&self, name: &StackName) -> Result<Accounts> {
        if let Some(accounts) = Accounts::read(&self.paths.stack(name))? {
            return Ok(accounts);
        }
        if let Some(found) = choose::find(&self.paths, None, name).await? {
            credentials::ensure_there(&self.paths, name, &found.inventory)?;
        }
        Err(connect::not_running(name))
    }

    /// Takes the stack's lock for a command that changes it.
    async fn lock(&self, name: &StackName, command: &str) -> Result<Lock> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        Lock::acquire(&self.paths, name, command, deadline, &|event| self.ui.report(event), &self.shutdown).await
    }
}

/// Asks before something is lost for good. `otherwise` is what a no means, and `command`, about the same stack or cluster,
/// how to say yes where there is no terminal.
///
/// # Errors
/// When the answer is no, a signal comes instead of one, or nobody can answer.
async fn confirm(context: &Context, question: &str, otherwise: &str, about: &About, command: &str) -> Result<()> {
    let command = about.command(command);
    match Ui::confirm(question, &context.shutdown).await? {
        Some(true) => Ok(()),
        Some(false) => {
            Err(Failure::Failed { cause: otherwise.to_owned(), remedy: Remedy::words(format!("to do it: {command}")) }
                .into())
        }
        None => Err(Failure::Usage {
            cause: "losing data needs a yes, and there is no terminal to ask on".to_owned(),
            remedy: Remedy::words(command),
        }
        .into()),
    }
}
