//! Bringing a stack up on the runtime that has it, that was asked for, or that works here.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::bridges::Change;
use super::down;
use super::up::{self, Prepared, Ready, Up};
use crate::about::Remedy;
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::paths::Paths;
use crate::runtime::choose::{self, Found};
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::shutdown::Shutdown;
use crate::stack::load::RuntimeChoice;
use crate::stack::{Stack, StackName};

/// What is to be brought up, and how patiently; where is found out.
pub struct Request<'a> {
    pub stack: &'a Stack,
    pub paths: &'a Paths,
    pub choice: RuntimeChoice,
    /// An unpacked Kafka distribution for plain processes.
    pub kafka_home: Option<PathBuf>,
    /// As in [`Up`], all four.
    pub timeout: Duration,
    pub retain: bool,
    pub accept_data_loss: bool,
    pub replace_credentials: bool,
    pub bridges: Change<'a>,
}

impl<'a> Request<'a> {
    fn on(&self, runtime: &'a dyn Runtime) -> Up<'a> {
        Up {
            stack: self.stack,
            runtime,
            paths: self.paths,
            timeout: self.timeout,
            retain: self.retain,
            accept_data_loss: self.accept_data_loss,
            replace_credentials: self.replace_credentials,
        }
    }
}

/// A stack that is ready; `sosstack up --output json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Placed {
    pub stack: StackName,
    pub runtime: RuntimeKind,
    /// Nothing had to be made or started.
    pub was_up: bool,
    /// How long it took, to a thousandth.
    pub seconds: f64,
    pub created_topics: Vec<String>,
    pub changed_topics: Vec<String>,
    /// `host:port` of every broker, every node, and Mosquitto's three listeners.
    pub kafka: Vec<String>,
    pub zookeeper: Vec<String>,
    pub mqtt: String,
    pub mqtts: String,
    pub mqtt_ws: String,
    /// Where each bridge serves metrics and health; empty where there are none.
    pub bridges: Vec<String>,
}

impl Placed {
    pub fn of(name: &StackName, runtime: RuntimeKind, ready: Ready, took: Duration) -> Self {
        let Ready { endpoints, seeded, bridges, was_up } = ready;
        Self {
            stack: name.clone(),
            runtime,
            was_up,
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            created_topics: seeded.created,
            changed_topics: seeded.changed,
            mqtt: endpoints.mqtt.to_string(),
            mqtts: endpoints.mqtts.to_string(),
            mqtt_ws: endpoints.mqtt_ws.to_string(),
            kafka: endpoints.kafka,
            zookeeper: endpoints.zookeeper,
            bridges: bridges.into_iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect(),
        }
    }
}

/// Removes what there is of a stack, with all its data, before it is made anew.
///
/// # Errors
/// As for [`down::down`].
pub async fn clear(
    paths: &Paths,
    name: &StackName,
    found: Option<Found>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    if let Some(Found { runtime, inventory }) = found {
        return down::down(&*runtime, paths, name, &inventory, true, report, shutdown).await;
    }
    // Data that was removed by hand is then not a loss.
    down::forget(paths, name, report);
    Ok(())
}

/// Brings the stack up; `found` is what there is of it.
///
/// # Errors
/// As for [`up::prepare`] and [`up::up`]; [`Failure::Usage`] where it would have to move to another runtime.
pub async fn up(
    request: &Request<'_>,
    found: Option<Found>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<(Box<dyn Runtime>, Ready)> {
    let (runtime, prepared) = choose_and_prepare(request, found, report, shutdown).await?;
    let ready = up::up(&request.on(&*runtime), prepared, request.bridges, report, shutdown).await?;
    Ok((runtime, ready))
}

/// The runtime that can run the stack, with everything fetched that it runs from.
async fn choose_and_prepare(
    request: &Request<'_>,
    found: Option<Found>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<(Box<dyn Runtime>, Prepared)> {
    let kind = match (request.choice, &found) {
        (RuntimeChoice::Auto, Some(found)) => found.runtime.kind(),
        (choice, found) => match fixed(choice) {
            Some(kind) => {
                refuse_to_move(request.stack, kind, found.as_ref())?;
                kind
            }
            None => return prepare_wherever_possible(request, report, shutdown).await,
        },
    };
    let (runtime, known) = match found {
        Some(Found { runtime, inventory }) if runtime.kind() == kind => (runtime, Some(inventory)),
        _ => (connect(request, kind, shutdown).await?, None),
    };
    let prepared = prepare(request, &*runtime, known, report, shutdown).await?;
    Ok((runtime, prepared))
}

async fn connect(request: &Request<'_>, kind: RuntimeKind, shutdown: &Shutdown) -> Result<Box<dyn Runtime>> {
    shutdown.guard(choose::connect(kind, request.paths, request.kafka_home.clone())).await
}

async fn prepare(
    request: &Request<'_>,
    runtime: &dyn Runtime,
    known: Option<Inventory>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Prepared> {
    up::prepare(&request.on(runtime), known, report, shutdown).await
}

/// Docker if it works; plain processes if it does not, saying why.
async fn prepare_wherever_possible(
    request: &Request<'_>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<(Box<dyn Runtime>, Prepared)> {
    let try_on = async |kind| {
        let runtime = connect(request, kind, shutdown).await?;
        let prepared = prepare(request, &*runtime, None, report, shutdown).await?;
        anyhow::Ok((runtime, prepared))
    };
    let docker = match try_on(RuntimeKind::Docker).await {
        Err(error) if matches!(error.downcast_ref(), Some(Failure::NoRuntime { .. })) => error,
        settled => return settled,
    };
    report(Event::Note(format!("running as plain processes, since Docker cannot be used: {docker:#}")));
    match try_on(RuntimeKind::Process).await {
        Err(error) if matches!(error.downcast_ref(), Some(Failure::NoRuntime { .. })) => {
            Err(choose::neither(&docker, &error))
        }
        settled => settled,
    }
}

fn fixed(choice: RuntimeChoice) -> Option<RuntimeKind> {
    match choice {
        RuntimeChoice::Auto => None,
        RuntimeChoice::Docker => Some(RuntimeKind::Docker),
        RuntimeChoice::Process => Some(RuntimeKind::Process),
    }
}

/// A stack's data lies with its runtime: starting it elsewhere would look as if all were lost.
fn refuse_to_move(stack: &Stack, kind: RuntimeKind, found: Option<&Found>) -> Result<()> {
    let Some(existing) = found.map(|found| found.runtime.kind()).filter(|existing| *existing != kind) else {
        return Ok(());
    };
    let name = &stack.name;
    Err(Failure::Usage {
        cause: format!("stack {name} exists with the {} runtime, and so does its data", existing.as_str()),
        remedy: Remedy::either([
            name.about().remedy(&format!("up --runtime {}", existing.as_str())),
            Remedy::words("choose another name: --stack NAME"),
            name.about().remedy("down --volumes").then(" first, which removes its data"),
        ]),
    }
    .into())
}
