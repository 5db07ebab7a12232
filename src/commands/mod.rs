//! One file a verb: from arguments to a call, and from the result to what is printed.

mod config;
mod context;
mod device;
mod down;
mod env;
mod group;
mod list;
mod logs;
mod publish;
mod reach;
mod read;
mod seed;
mod start;
mod status;
mod stop;
mod topic;
mod up;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::{Command, Global};
use crate::endpoints::Endpoints;
use crate::failure::Failure;
use crate::lifecycle::connect;
use crate::lifecycle::lock::Lock;
use crate::paths::Paths;
use crate::runtime::Inventory;
use crate::runtime::choose::{self, Found};
use crate::shutdown::Shutdown;
use crate::stack::load::{self, Loaded, Overrides};
use crate::stack::{Service, Stack, StackName};
use crate::ui::Ui;

/// How long commands other than `up` wait for another one that works on the same stack.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);

/// What every command is given.
pub struct Context {
    pub global: Global,
    pub paths: Paths,
    pub ui: Ui,
    pub shutdown: Shutdown,
}

/// Runs one command.
///
/// # Errors
/// Whatever stopped it; see [`Failure`] for those with a remedy.
pub async fn run(context: &Context, command: &Command) -> Result<()> {
    match command {
        Command::Up(args) => up::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Env(args) => env::run(context, args).await,
        Command::Pub(args) => publish::run(context, args).await,
        Command::Sub(args) => read::subscribe(context, args).await,
        Command::Tail(args) => read::tail(context, args).await,
        Command::Topic(args) => topic::run(context, args).await,
        Command::Group(args) => group::run(context, args).await,
        Command::Context(command) => context::run(context, command),
        Command::Device(command) => device::run(context, command),
        Command::Seed(args) => seed::run(context, args).await,
        Command::Config(args) => config::run(context, args).await,
        Command::Stop(args) => stop::run(context, args).await,
        Command::Start(args) => start::run(context, args).await,
        Command::Down(args) => down::run(context, args).await,
        Command::List => list::run(context).await,
    }
}

impl Context {
    /// The effective stack: seed data, the stack file, and flags over both.
    fn load(&self, port_offset: Option<u16>) -> Result<Loaded> {
        let file = match &self.global.file {
            Some(file) => Some(file.clone()),
            None => load::find_file(&std::env::current_dir()?),
        };
        load::load(file.as_deref(), &Overrides { name: self.global.stack.clone(), port_offset })
    }

    /// The stack and what runs it.
    ///
    /// # Errors
    /// [`Failure::NotRunning`] when no runtime has instances of it.
    async fn running(&self) -> Result<(Stack, Found)> {
        let stack = self.load(None)?.stack;
        let found = choose::find(&self.paths, None, &stack.name).await?;
        match found {
            Some(found) if !found.inventory.instances.is_empty() => Ok((stack, found)),
            _ => Err(connect::not_running(&stack.name)),
        }
    }

    /// How to reach the running stack.
    async fn endpoints(&self) -> Result<(Stack, Endpoints)> {
        let (stack, found) = self.running().await?;
        let endpoints = connect::endpoints(&stack.name, &found.inventory, &self.paths)?;
        Ok((stack, endpoints))
    }

    /// Takes the stack's lock for a command that changes it.
    async fn lock(&self, name: &StackName, command: &str) -> Result<Lock> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        Lock::acquire(&self.paths, name, command, deadline, &|event| self.ui.report(event), &self.shutdown).await
    }
}

/// The services that a user's words mean; all of them when there are no words.
fn selected(inventory: &Inventory, words: &[String]) -> Result<Vec<Service>> {
    let all: Vec<Service> = inventory.instances.iter().map(|instance| instance.service).collect();
    if let Some(word) = words.iter().find(|word| !all.iter().any(|service| service.matches(word))) {
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        return Err(Failure::Usage {
            cause: format!("no service of this stack is called {word:?}"),
            remedy: format!("name one of {}, or a kind: zookeeper, kafka, mosquitto", names.join(", ")),
        }
        .into());
    }
    let wanted = |service: &Service| words.is_empty() || words.iter().any(|word| service.matches(word));
    Ok(all.into_iter().filter(wanted).collect())
}
