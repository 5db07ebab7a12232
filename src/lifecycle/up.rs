//! Converges a stack: makes what is missing, changes what differs, and proves it ready.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;

use super::evidence;
use super::lost;
use super::plan::{self, Step};
use super::ports;
use super::ready::{self, Proof, Unready};
use super::rescue;
use super::seed::{self, Seeded};
use super::watch;
use super::{connect, down};
use crate::endpoints::Endpoints;
use crate::event::{self, Event, Report};
use crate::failure::Failure;
use crate::kafka::admin::Admin;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::runtime::{Instance, Inventory, Runtime, State};
use crate::secrets::{Accounts, Authority, ServerCertificate};
use crate::shutdown::Shutdown;
use crate::stack::{Role, Service, Stack};
use crate::workload::build::{Secrets, certificate_names, workloads};
use crate::workload::{PublishedPort, Workload};

/// What is to be brought up, where, and how patiently.
pub struct Up<'a> {
    pub stack: &'a Stack,
    pub runtime: &'a dyn Runtime,
    pub paths: &'a Paths,
    /// From the first start of a service until everything must be proven ready.
    pub timeout: Duration,
    /// Keep what this run made although it was interrupted.
    pub retain: bool,
    /// Go on with empty volumes where data was removed by hand.
    pub accept_data_loss: bool,
}

/// A stack that is ready.
#[derive(Debug)]
pub struct Ready {
    pub endpoints: Endpoints,
    pub seeded: Seeded,
    /// Nothing had to be made or started.
    pub was_up: bool,
}

/// Workloads and secrets of a stack on its runtime, and what is there of it.
pub struct Prepared {
    workloads: Vec<Workload>,
    secrets: Secrets,
    inventory: Inventory,
    /// The stack's directory did not exist before this run.
    secrets_are_new: bool,
}

/// What this run made, so that an interruption undoes just that.
#[derive(Default)]
struct Made {
    instances: Vec<Service>,
    started: Vec<Service>,
    volumes: Vec<String>,
    shared: bool,
}

impl Made {
    fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.started.is_empty() && !self.shared
    }
}

/// Finds programs and makes sure that images or jars are here; touches no stack yet. `known` is what the runtime has of
/// it, where it was asked already.
///
/// # Errors
/// [`Failure::NoRuntime`] when this runtime cannot run the stack.
pub async fn prepare(
    up: &Up<'_>,
    known: Option<Inventory>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Prepared> {
    let prepared = render(up, known).await?;
    let fetched = up.runtime.fetch(up.stack, &prepared.workloads, report, shutdown).await;
    if let Err(error) = fetched {
        forget_secrets(up, &prepared);
        return Err(error);
    }
    Ok(prepared)
}

async fn render(up: &Up<'_>, known: Option<Inventory>) -> Result<Prepared> {
    let Up { stack, runtime, paths, .. } = up;
    let target = runtime.target(stack).await?;
    let dir = paths.stack(&stack.name);
    let secrets_are_new = Accounts::read(&dir)?.is_none();
    // First of all: should this run be killed, the next one knows where to look.
    Memo::update(&dir, |memo| memo.runtime = Some(runtime.kind()))?;
    let stopped = down::finish_stopping(*runtime, paths, &stack.name).await?;
    let inventory = match known {
        Some(inventory) if !stopped => inventory,
        _ => runtime.inventory(&stack.name).await?,
    };
    let accounts = Accounts::ensure(&dir, &stack.devices)?;
    let authority = Authority::ensure(&dir, &stack.name)?;
    let certificate = ServerCertificate::ensure(&dir, &authority, &certificate_names(stack))?;
    let secrets = Secrets { accounts, certificate };
    let workloads = workloads(stack, &target, &secrets);
    Ok(Prepared { workloads, secrets, inventory, secrets_are_new })
}

/// The services that `up` would make anew or reload, as their configuration is not the stack's. Changes nothing.
///
/// # Errors
/// When the runtime does not answer or the stack's files cannot be read.
pub async fn differing(up: &Up<'_>) -> Result<Vec<Service>> {
    let dir = up.paths.stack(&up.stack.name);
    let (Some(accounts), Some(certificate)) = (Accounts::read(&dir)?, ServerCertificate::read(&dir)?) else {
        return Ok(Vec::new());
    };
    let target = up.runtime.target(up.stack).await?;
    let inventory = up.runtime.inventory(&up.stack.name).await?;
    let steps = plan::plan(&workloads(up.stack, &target, &Secrets { accounts, certificate }), &inventory);
    let differs = |step: &&Step| !matches!(step, Step::Keep(_) | Step::Start(_));
    Ok(steps.iter().filter(differs).map(Step::service).collect())
}

/// Has the running Mosquitto load whatever changed in its accounts; whether one runs.
///
/// # Errors
/// When it cannot be told to.
pub async fn reload(up: &Up<'_>) -> Result<bool> {
    let prepared = render(up, None).await?;
    let steps = plan::plan(&prepared.workloads, &prepared.inventory);
    for step in steps.iter().filter(|step| matches!(step, Step::Reload(_))) {
        carry_out(up, step).await?;
    }
    let runs = |instance: &Instance| instance.service.role == Role::Mosquitto && instance.state == State::Running;
    Ok(prepared.inventory.instances.iter().any(runs))
}

/// Enrols the devices that the stack names in the running Mosquitto, and makes its topics.
///
/// # Errors
/// When Mosquitto cannot be reloaded, or the brokers refuse or do not answer in time.
pub async fn seed(up: &Up<'_>, report: Report<'_>) -> Result<Seeded> {
    reload(up).await?;
    let inventory = up.runtime.inventory(&up.stack.name).await?;
    let endpoints = connect::endpoints(&up.stack.name, &inventory, up.paths)?;
    let deadline = Instant::now() + up.timeout;
    let admin = Admin::new(&endpoints.kafka)?;
    let cluster = admin.cluster(up.timeout).await?;
    seed::seed(up.stack, &admin, &cluster, deadline, report).await
}

/// Brings the stack up.
///
/// # Errors
/// [`Failure::PortTaken`] before anything is started; [`Failure::NotReady`] when a service dies or the
/// deadline passes (everything stays, as evidence). After any other error, [`Failure::Interrupted`]
/// among them, this run is undone.
pub async fn up(up: &Up<'_>, prepared: Prepared, report: Report<'_>, shutdown: &Shutdown) -> Result<Ready> {
    let mut made = Made::default();
    let result = converge(up, &prepared, &mut made, report, shutdown).await;
    // What started and is not ready is evidence; everything else that failed leaves nothing behind.
    let leaves_nothing = |error: &anyhow::Error| !matches!(error.downcast_ref(), Some(Failure::NotReady { .. }));
    if result.as_ref().is_err_and(leaves_nothing) && !up.retain {
        if !made.is_empty() {
            report(Event::Note("undoing what this run made".to_owned()));
        }
        undo(up, &made, &prepared).await.context("undoing this run; `sosstack down` finishes it")?;
    }
    result
}

async fn converge(
    up: &Up<'_>,
    prepared: &Prepared,
    made: &mut Made,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Ready> {
    let dir = up.paths.stack(&up.stack.name);
    let lost = lost::volumes(&prepared.workloads, &Memo::read(&dir)?, &prepared.inventory);
    if let Some(refusal) = lost::refusal(up.stack, &lost, up.accept_data_loss) {
        return Err(refusal.into());
    }
    let steps = plan::plan(&prepared.workloads, &prepared.inventory);
    let was_up = steps.iter().all(Step::is_keep);
    let ran = steps.iter().filter(|step| step.is_keep()).map(Step::service).collect();
    shutdown.guard(ensure_ports_free(up, prepared, &steps)).await?;
    let deadline = Instant::now() + up.timeout;
    if !was_up {
        made.shared = !prepared.inventory.exists;
        let emptied = emptied_brokers(up.stack, &lost);
        let (last, first): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| emptied.contains(&step.service()));
        apply(up, &first, made, report).await?;
        if !last.is_empty() {
            let inventory = up.runtime.inventory(&up.stack.name).await?;
            let endpoints = connect::endpoints(&up.stack.name, &inventory, up.paths)?;
            let others = usize::from(up.stack.kafka.brokers) - emptied.len();
            shutdown.guard(rescue::elect(&dir, &endpoints.kafka, others, deadline, report)).await?;
            apply(up, &last, made, report).await?;
        }
    }
    if shutdown.is_requested() {
        return Err(shutdown.interrupted().into());
    }
    let inventory = if was_up { prepared.inventory.clone() } else { up.runtime.inventory(&up.stack.name).await? };
    let endpoints = connect::endpoints(&up.stack.name, &inventory, up.paths)?;
    let proof = Proof { stack: up.stack, endpoints: &endpoints, probe: &prepared.secrets.accounts.probe, deadline };
    let started = Instant::now();
    let proven = shutdown.guard(async { Ok(prove_or_find_dead(up.runtime, &proof, ran, report).await) }).await?;
    match proven {
        Ok(seeded) => {
            rescue::forbid(&dir, &endpoints.kafka).await?;
            Memo::update(&dir, |memo| memo.volumes = inventory.volumes.iter().cloned().collect())?;
            Ok(Ready { endpoints, seeded, was_up })
        }
        Err(unready) => Err(evidence::not_ready(up.runtime, &up.stack.name, unready, started.elapsed()).await.into()),
    }
}

/// Brokers that come back without their data, where others have it.
fn emptied_brokers(stack: &Stack, lost: &[(Service, String)]) -> BTreeSet<Service> {
    let emptied: BTreeSet<Service> =
        lost.iter().map(|(service, _)| *service).filter(|service| service.role == Role::Kafka).collect();
    if emptied.len() < usize::from(stack.kafka.replication_factor()) { emptied } else { BTreeSet::new() }
}

/// Proves readiness unless a service dies first, other than one of those that `ran` before.
pub(super) async fn prove_or_find_dead(
    runtime: &dyn Runtime,
    proof: &Proof<'_>,
    ran: BTreeSet<Service>,
    report: Report<'_>,
) -> Result<Seeded, Unready> {
    tokio::select! {
        proven = ready::prove(proof, report) => proven,
        dead = watch::until_dead(runtime, &proof.stack.name, ran, report) => Err(dead),
    }
}

/// The host ports of whatever is about to start and does not hold them already.
async fn ensure_ports_free(up: &Up<'_>, prepared: &Prepared, steps: &[Step]) -> Result<()> {
    let held: HashMap<u16, Service> = prepared
        .inventory
        .instances
        .iter()
        .filter(|instance| instance.started.is_some())
        .flat_map(|instance| instance.ports.iter().map(|port| (port.host, instance.service)))
        .collect();
    // A process without a record is not known to hold its ports.
    let unrecorded = |service| {
        let alive = prepared.inventory.instances.iter().filter(|instance| instance.state.is_alive());
        alive.into_iter().any(|instance| instance.service == service && instance.ports.is_empty())
    };
    let starting = |service| steps.iter().any(|step| step.service() == service && !step.is_keep());
    let wanted: Vec<(Service, PublishedPort)> = prepared
        .workloads
        .iter()
        .filter(|workload| starting(workload.service) && !unrecorded(workload.service))
        .flat_map(|workload| workload.ports.iter().map(|port| (workload.service, *port)))
        .filter(|(_, port)| !held.contains_key(&port.host))
        .collect();
    ports::ensure_free(&wanted, up.stack, up.runtime).await
}

/// Carries out the plan: all services at once, since the protocols wait for each other by themselves.
async fn apply(up: &Up<'_>, steps: &[Step], made: &mut Made, report: Report<'_>) -> Result<()> {
    let (runtime, stack) = (up.runtime, up.stack);
    let replaced: Vec<Service> =
        steps.iter().filter(|step| matches!(step, Step::Replace(_) | Step::Remove(_))).map(Step::service).collect();
    if !replaced.is_empty() {
        event::step(report, "Stopping what changed", async {
            down::stop_in_order(runtime, up.paths, &stack.name, &replaced).await?;
            all(replaced.iter().map(|service| runtime.remove(&stack.name, *service))).await?;
            anyhow::Ok(((), services_in_words(&replaced)))
        })
        .await?;
    }
    runtime.prepare(stack).await?;
    event::step(report, "Starting services", async {
        let results = join_all(steps.iter().map(|step| carry_out(up, step))).await;
        let mut first_error = None;
        for (step, result) in steps.iter().zip(results) {
            match result {
                Ok(Some(done)) => {
                    made.volumes.extend(done.volumes);
                    match step {
                        Step::Start(service) => made.started.push(*service),
                        _ => made.instances.push(step.service()),
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    if matches!(step, Step::Create(_) | Step::Replace(_)) {
                        made.instances.push(step.service());
                    }
                    first_error = first_error.or(Some(error));
                }
            }
        }
        let count = steps.iter().filter(|step| !step.is_keep()).count();
        first_error.map_or(Ok(((), format!("{count} of {}", steps.len()))), Err)
    })
    .await
}

/// What the step made, or None where nothing was started.
async fn carry_out(up: &Up<'_>, step: &Step) -> Result<Option<crate::runtime::Created>> {
    let (runtime, stack) = (up.runtime, up.stack);
    let during = || format!("starting {}", step.service());
    match step {
        Step::Create(workload) | Step::Replace(workload) => {
            let created = runtime.create(stack, workload).await.with_context(during)?;
            runtime.start(&stack.name, workload.service).await.with_context(during)?;
            Ok(Some(created))
        }
        Step::Start(service) => {
            runtime.start(&stack.name, *service).await.with_context(during)?;
            Ok(Some(crate::runtime::Created::default()))
        }
        Step::Reload(workload) => {
            let live: Vec<_> = workload.files.iter().filter(|file| file.live).cloned().collect();
            runtime.reload(&stack.name, workload.service, &live, &workload.live_hash()).await?;
            Ok(None)
        }
        Step::Keep(_) | Step::Remove(_) => Ok(None),
    }
}

async fn undo(up: &Up<'_>, made: &Made, prepared: &Prepared) -> Result<()> {
    let (runtime, name) = (up.runtime, &up.stack.name);
    // Data that this run made goes with it, so nothing has to be shut down in order.
    all(made.instances.iter().map(|service| runtime.remove(name, *service))).await?;
    down::stop_in_order(runtime, up.paths, name, &made.started).await?;
    runtime.remove_volumes(name, &made.volumes).await?;
    if made.shared {
        runtime.retire(name).await?;
    }
    forget_secrets(up, prepared);
    Ok(())
}

/// Removes credentials that nothing has ever used.
fn forget_secrets(up: &Up<'_>, prepared: &Prepared) {
    if prepared.secrets_are_new && !prepared.inventory.exists && prepared.inventory.volumes.is_empty() {
        down::forget_secrets(up.paths, &up.stack.name);
    }
}

pub(super) async fn all(work: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    join_all(work).await.into_iter().collect()
}

fn services_in_words(services: &[Service]) -> String {
    let of = |role| services.iter().filter(|service| service.role == role).count();
    let roles = [Role::Zookeeper, Role::Kafka, Role::Mosquitto];
    let words = roles.into_iter().filter(|role| of(*role) > 0).map(|role| format!("{} ×{}", role.as_str(), of(role)));
    words.collect::<Vec<_>>().join(", ")
}
