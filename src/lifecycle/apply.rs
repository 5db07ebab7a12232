//! Carries out a plan. What ran before runs afterwards, old or new, however this ends.

use anyhow::{Context, Result};
use futures_util::future::join_all;

use super::all::all;
use super::down;
use super::plan::Step;
use super::request::Up;
use crate::event::{self, Event, Notice, Outcome, Report, Step as Work};
use crate::runtime::{Created, Inventory, State};
use crate::shutdown::Shutdown;
use crate::stack::Service;
use crate::workload::Workload;

/// What a run made.
#[derive(Default)]
pub(super) struct Made {
    /// Services of which there was nothing.
    pub(super) created: Vec<Service>,
    /// Services that were there and did not run.
    pub(super) started: Vec<Service>,
    pub(super) volumes: Vec<String>,
    /// The network or directory.
    pub(super) shared: bool,
    /// All of it was proven ready: none of it is taken back.
    pub(super) proven: bool,
}

impl Made {
    pub(super) fn is_empty(&self) -> bool {
        self.created.is_empty() && self.started.is_empty() && !self.shared
    }
}

/// Carries out the plan: all services at once, since the protocols wait for each other by themselves.
///
/// # Errors
/// [`crate::failure::Failure::Interrupted`] while what changed is being stopped: it is started again as it was. What
/// has ended by then is replaced, whatever signal comes.
pub(super) async fn apply(
    up: &Up<'_>,
    before: &Inventory,
    steps: &[Step],
    made: &mut Made,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    if shutdown.is_requested() {
        return Err(shutdown.interrupted().into());
    }
    stop_what_changed(up, before, steps, report, shutdown).await?;
    up.runtime.prepare(up.stack).await?;
    event::step(report, Work::StartServices, async {
        let results = join_all(steps.iter().map(|step| carry_out(up, before, step))).await;
        let mut first_error = None;
        for (step, result) in steps.iter().zip(results) {
            let is_new = matches!(step, Step::Create(_));
            match result {
                Ok(Some(done)) => {
                    made.volumes.extend(done.volumes);
                    if is_new { &mut made.created } else { &mut made.started }.push(step.service());
                }
                Ok(None) => {}
                Err(error) => {
                    if is_new {
                        made.created.push(step.service());
                    }
                    first_error = first_error.or(Some(error));
                }
            }
        }
        let count = steps.iter().filter(|step| !step.is_keep()).count();
        first_error.map_or(Ok(((), Outcome::Started { count, of: steps.len() })), Err)
    })
    .await
}

async fn stop_what_changed(
    up: &Up<'_>,
    before: &Inventory,
    steps: &[Step],
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    let (runtime, name) = (up.runtime, &up.stack.name);
    let changed: Vec<Service> =
        steps.iter().filter(|step| matches!(step, Step::Replace(_) | Step::Remove(_))).map(Step::service).collect();
    if changed.is_empty() {
        return Ok(());
    }
    event::step(report, Work::StopChanged, async {
        let stopped = down::stop_in_order(runtime, up.paths, name, &changed).await;
        if stopped.is_err() || shutdown.is_requested() {
            down::start_again(runtime, name, before, &changed, report).await?;
            stopped?;
            return Err(shutdown.interrupted().into());
        }
        let surplus = steps.iter().filter(|step| matches!(step, Step::Remove(_))).map(Step::service);
        all(surplus.map(|service| runtime.remove(name, service))).await?;
        anyhow::Ok(((), Outcome::StoppedChanged(changed)))
    })
    .await
}

/// What the step made, or None where nothing was started.
pub(super) async fn carry_out(up: &Up<'_>, before: &Inventory, step: &Step) -> Result<Option<Created>> {
    let (runtime, stack) = (up.runtime, up.stack);
    let during = || format!("starting {}", step.service());
    match step {
        Step::Create(workload) => {
            let created = runtime.create(stack, workload).await.with_context(during)?;
            runtime.start(&stack.name, workload.service).await.with_context(during)?;
            Ok(Some(created))
        }
        Step::Replace(workload) => replace(up, before, workload).await.with_context(during).map(Some),
        Step::Start(service) => {
            runtime.start(&stack.name, *service).await.with_context(during)?;
            Ok(Some(Created::default()))
        }
        Step::Reload(workload) => {
            let live: Vec<_> = workload.files.iter().filter(|file| file.live).cloned().collect();
            runtime.reload(&stack.name, workload.service, &live, &workload.live_hash()).await?;
            Ok(None)
        }
        Step::Keep(_) | Step::Remove(_) => Ok(None),
    }
}

async fn replace(up: &Up<'_>, before: &Inventory, workload: &Workload) -> Result<Created> {
    let (runtime, stack, service) = (up.runtime, up.stack, workload.service);
    let replaced = runtime.replace(stack, workload).await;
    if replaced.is_err() && before.is_alive(service) {
        runtime.start(&stack.name, service).await.with_context(|| format!("starting the earlier {service} again"))?;
    }
    replaced
}

/// Has paused services go on: whatever is asked of one waits until then. The stack as it is afterwards.
pub(super) async fn wake(up: &Up<'_>, found: &Inventory, report: Report<'_>) -> Result<Inventory> {
    let mut inventory = found.clone();
    for instance in inventory.instances.iter_mut().filter(|instance| instance.state == State::Paused) {
        up.runtime.resume(&up.stack.name, instance.service).await?;
        report(Event::Noticed(Notice::Resumed(instance.service)));
        instance.state = State::Running;
    }
    Ok(inventory)
}

/// Takes back what a run made of a stack that did not run before. What has data from before ends in order; the data
/// that this run made goes, and so is not worth a wait.
pub(super) async fn undo(up: &Up<'_>, made: &Made, workloads: &[Workload]) -> Result<()> {
    let (runtime, name) = (up.runtime, &up.stack.name);
    let has_older_data = |service: &Service| {
        let volumes = workloads.iter().filter(|workload| workload.service == *service).flat_map(|w| &w.volumes);
        volumes.into_iter().any(|volume| !made.volumes.contains(&volume.name))
    };
    let in_order: Vec<Service> =
        made.created.iter().copied().filter(has_older_data).chain(made.started.iter().copied()).collect();
    down::stop_in_order(runtime, up.paths, name, &in_order).await?;
    all(made.created.iter().map(|service| runtime.remove(name, *service))).await?;
    runtime.remove_volumes(name, &made.volumes).await?;
    if made.shared {
        runtime.retire(name).await?;
    }
    Ok(())
}
