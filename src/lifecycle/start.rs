//! Starts what was stopped, and proves the stack ready when all of it runs; then its bridges.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::all::all;
use super::bridge_proof;
use super::bridges::{self, Bringing, Plan};
use super::ready::Proof;
use super::{connect, down, evidence, rescue, up};
use crate::event::{self, Outcome, Report, Step};
use crate::paths::Paths;
use crate::runtime::{Runtime, State};
use crate::secrets::Accounts;
use crate::shutdown::Shutdown;
use crate::stack::{Bridge, Service, Stack};

pub struct Start<'a> {
    pub stack: &'a Stack,
    pub runtime: &'a dyn Runtime,
    pub paths: &'a Paths,
    pub services: &'a [Service],
    pub plan: Option<&'a Plan>,
    /// Those that are to be started as planned.
    pub bridges: &'a [Bridge],
    pub timeout: Duration,
}

/// Starts services and bridges; whether all services run now and were proven ready. A signal ends the proof, not the
/// start.
///
/// # Errors
/// [`crate::failure::Failure::NotReady`] as for `up`.
pub async fn start(start: &Start<'_>, report: Report<'_>, shutdown: &Shutdown) -> Result<bool> {
    let all_run = if start.services.is_empty() {
        connect::all_running(&start.runtime.inventory(&start.stack.name).await?)
    } else {
        services(start, report, shutdown).await?
    };
    if let (Some(plan), false) = (start.plan, start.bridges.is_empty()) {
        let proof = if all_run { Some(proof(start).await?) } else { None };
        let (name, paths, which) = (&start.stack.name, start.paths, start.bridges);
        bridges::bring(&Bringing { name, paths, plan, which, proof, retain: true }, report, shutdown).await?;
    }
    Ok(all_run)
}

async fn proof(start: &Start<'_>) -> Result<bridge_proof::Proof> {
    let inventory = start.runtime.inventory(&start.stack.name).await?;
    let endpoints = connect::endpoints(start.stack, &inventory, start.paths)?;
    let deadline = Instant::now() + start.timeout;
    Ok(bridge_proof::Proof::new(&endpoints, &accounts(start)?.probe, deadline))
}

fn accounts(start: &Start<'_>) -> Result<Accounts> {
    let name = &start.stack.name;
    Accounts::read(&start.paths.stack(name))?
        .with_context(|| format!("the stack has no accounts; run: {}", name.about().command("up")))
}

async fn services(start: &Start<'_>, report: Report<'_>, shutdown: &Shutdown) -> Result<bool> {
    let (runtime, name) = (start.runtime, &start.stack.name);
    down::finish_stopping(runtime, start.paths, name).await?;
    let before = runtime.inventory(name).await?;
    let in_state = |service: &Service, state| {
        before.instances.iter().any(|instance| instance.service == *service && instance.state == state)
    };
    let runs = |service: &Service| in_state(service, State::Running);
    let stopped: Vec<Service> = start.services.iter().copied().filter(|service| !runs(service)).collect();
    event::step(report, Step::StartServices, async {
        let begin = async |service: &Service| {
            let is_paused = in_state(service, State::Paused);
            if is_paused { runtime.resume(name, *service).await } else { runtime.start(name, *service).await }
        };
        all(stopped.iter().map(begin)).await?;
        anyhow::Ok(((), Outcome::Started { count: stopped.len(), of: start.services.len() }))
    })
    .await?;
    let inventory = runtime.inventory(name).await?;
    if inventory.instances.iter().any(|instance| instance.state == State::Stopped) {
        return Ok(false);
    }
    let endpoints = connect::endpoints(start.stack, &inventory, start.paths)?;
    let accounts = accounts(start)?;
    let deadline = Instant::now() + start.timeout;
    let proof = Proof { stack: start.stack, endpoints: &endpoints, probe: &accounts.probe, deadline };
    let started = Instant::now();
    let ran = before.instances.iter().map(|instance| instance.service).filter(runs).collect();
    let proven = async { Ok(up::prove_or_find_dead(runtime, &proof, ran, report).await) };
    match shutdown.guard(proven).await? {
        Ok(_) => {
            rescue::forbid(&start.paths.stack(name), &endpoints).await?;
            Ok(true)
        }
        Err(unready) => Err(evidence::not_ready(runtime, name, unready, started.elapsed()).await.into()),
    }
}
