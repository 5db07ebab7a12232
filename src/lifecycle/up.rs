//! Converges a stack: makes what is missing, changes what differs, and proves it ready.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};

use super::apply::{self, Made, apply, wake};
use super::bridge_proof;
use super::bridges::{self, Bringing, Change};
use super::credentials::{self, Place};
use super::evidence;
use super::kept;
use super::leftover;
use super::live;
use super::lost;
use super::plan::{self, Step};
use super::ports;
use super::ready::{self, Proof, Unready};
use super::rescue;
use super::seed::{self, Seeded};
use super::watch;
use super::{connect, down};
use crate::endpoints::Endpoints;
use crate::event::{Event, Notice, Report};
use crate::failure::Failure;
use crate::kafka::admin::Admin;
use crate::memo::Memo;
use crate::runtime::bridges::Hosted;
use crate::runtime::{Inventory, Runtime};
use crate::secrets::{Accounts, Authority, ServerCertificate};
use crate::shutdown::Shutdown;
use crate::stack::{Bridge, Member, Persistence, Role, Service, Stack};
use crate::workload::Workload;
use crate::workload::build::{Secrets, certificate_names, workloads};

pub use super::request::Up;

/// A stack that is ready.
#[derive(Debug)]
pub struct Ready {
    pub endpoints: Endpoints,
    pub seeded: Seeded,
    /// Where its bridges serve metrics and health; empty where it has none, or they were left as they are.
    pub bridges: Vec<(Bridge, u16)>,
    /// Nothing had to be made or started.
    pub was_up: bool,
}

/// Workloads and secrets of a stack on its runtime, and what is there of it.
pub struct Prepared {
    workloads: Vec<Workload>,
    secrets: Secrets,
    inventory: Inventory,
    persistence: Persistence,
    /// The stack's directory did not exist before this run.
    secrets_are_new: bool,
}

/// Finds programs and makes sure that images or jars are here; touches no stack yet. `known` is what the runtime has of
/// it, where it was asked already.
///
/// # Errors
/// [`Failure::NoRuntime`] when this runtime cannot run the stack, [`Failure::Failed`] when Mosquitto would leave behind
/// what it keeps.
pub async fn prepare(
    up: &Up<'_>,
    known: Option<Inventory>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Prepared> {
    let dir = up.paths.stack(&up.stack.name);
    let is_new = !dir.exists();
    let rendered = shutdown.guard(render(up, known)).await;
    if rendered.is_err() && is_new {
        down::forget_secrets(up.paths, &up.stack.name);
    }
    let prepared = rendered?;
    let Prepared { workloads, inventory, persistence, .. } = &prepared;
    if let Some(refusal) = kept::refusal(up.stack, *persistence, workloads, &Memo::read(&dir)?, inventory)
        && !up.accept_data_loss
    {
        return Err(refusal.into());
    }
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
    let found = async {
        match known {
            Some(inventory) => Ok(inventory),
            None => runtime.inventory(&stack.name).await,
        }
    };
    let (mut inventory, daemon) = tokio::try_join!(found, runtime.daemon())?;
    let place = Place { kind: runtime.kind(), daemon };
    if !up.replace_credentials {
        credentials::ensure_of(&place, paths, &stack.name, &inventory)?;
    }
    // Before anything is made: should this run be killed, the next one knows where to look.
    Memo::update(&dir, |memo| (memo.runtime, memo.daemon) = (Some(place.kind), place.daemon))?;
    if down::finish_stopping(*runtime, paths, &stack.name).await? {
        inventory = runtime.inventory(&stack.name).await?;
    }
    leftover::sweep(paths, &stack.name)?;
    let accounts = Accounts::ensure(&dir, &stack.devices)?;
    let authority = Authority::ensure(&dir, &stack.name)?;
    let certificate = ServerCertificate::ensure(&dir, &authority, &certificate_names(stack))?;
    let secrets = Secrets { accounts, certificate };
    let workloads = workloads(stack, &target, &secrets);
    let persistence = target.persistence(stack);
    Ok(Prepared { workloads, secrets, inventory, persistence, secrets_are_new })
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

/// Enrols the devices that the stack names in the running Mosquitto, and makes its topics.
///
/// # Errors
/// When Mosquitto cannot be reloaded, or the brokers refuse or do not answer in time.
pub async fn seed(up: &Up<'_>, report: Report<'_>) -> Result<Seeded> {
    live::ensure_ours(up).await?;
    leftover::sweep(up.paths, &up.stack.name)?;
    live::load(up, &Accounts::ensure(&up.paths.stack(&up.stack.name), &up.stack.devices)?).await?;
    let inventory = up.runtime.inventory(&up.stack.name).await?;
    let endpoints = connect::endpoints(up.stack, &inventory, up.paths)?;
    let deadline = Instant::now() + up.timeout;
    let admin = Admin::of_stack(&endpoints)?;
    let cluster = admin.cluster(up.timeout).await?;
    seed::seed(up.stack, &admin, &cluster, deadline, report).await
}

/// Brings the stack up, and its bridges behind it.
///
/// # Errors
/// [`Failure::PortTaken`] before anything is started; [`Failure::NotReady`] when a service dies or the
/// deadline passes (everything stays, as evidence). After any other error, [`Failure::Interrupted`]
/// among them, a stack that did not run before is as it was; one that ran goes on, old or new.
pub async fn up(
    up: &Up<'_>,
    prepared: Prepared,
    bridges: Change<'_>,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Ready> {
    let mut made = Made::default();
    let dir = up.paths.stack(&up.stack.name);
    let bridging = Memo::read(&dir)?.bridges;
    let result = converge(up, &prepared, bridges, &mut made, report, shutdown).await;
    // What started and is not ready is evidence.
    let is_evidence = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(Failure::NotReady { .. }));
    if result.as_ref().map_or_else(is_evidence, |_| true) || up.retain || made.proven {
        return result;
    }
    Memo::update(&dir, |memo| memo.bridges = bridging)?;
    if prepared.inventory.instances.iter().any(|instance| instance.state.is_alive()) {
        if !made.is_empty() {
            report(Event::Noticed(Notice::GoesOn { stack: up.stack.name.clone() }));
        }
        return result;
    }
    if !made.is_empty() {
        report(Event::Noticed(Notice::Undoing));
    }
    let finishes = || format!("undoing this run; {} finishes it", up.stack.name.about().command("down"));
    apply::undo(up, &made, &prepared.workloads).await.with_context(finishes)?;
    forget_secrets(up, &prepared);
    result
}

async fn converge(
    up: &Up<'_>,
    prepared: &Prepared,
    bridges: Change<'_>,
    made: &mut Made,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Ready> {
    let deadline = Instant::now() + up.timeout;
    let ready = services(up, prepared, bridges, made, report, shutdown).await?;
    // Interrupted now, the run takes back what it made, unless nothing is left to be done.
    made.proven = !matches!(bridges, Change::Run(_));
    let proof = bridge_proof::Proof::new(&ready.endpoints, &prepared.secrets.accounts.probe, deadline);
    let changed = bridge(up, bridges, proof, report, shutdown).await?;
    made.proven = true;
    let bridges = if let Change::Run(plan) = bridges { plan.ports() } else { Vec::new() };
    Ok(Ready { bridges, was_up: ready.was_up && !changed, ..ready })
}

async fn services(
    up: &Up<'_>,
    prepared: &Prepared,
    bridges: Change<'_>,
    made: &mut Made,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<Ready> {
    let dir = up.paths.stack(&up.stack.name);
    let lost = lost::volumes(&prepared.workloads, &Memo::read(&dir)?, &prepared.inventory);
    if let Some(refusal) = lost::refusal(up.stack, &lost, up.accept_data_loss) {
        return Err(refusal.into());
    }
    let before = wake(up, &prepared.inventory, report).await?;
    let steps = plan::plan(&prepared.workloads, &before);
    let was_up = steps.iter().all(Step::is_keep) && before == prepared.inventory;
    let ran = steps.iter().filter(|step| step.is_keep()).map(Step::service).collect();
    shutdown.guard(ensure_ports_free(up, prepared, &steps, bridges)).await?;
    let deadline = Instant::now() + up.timeout;
    Memo::update(&dir, |memo| {
        memo.persistence = Some(prepared.persistence);
        bridges.note(memo);
    })?;
    if let Some(mosquitto) = prepared.workloads.iter().find(|workload| workload.service.role == Role::Mosquitto) {
        credentials::note_logins(up.paths, &up.stack.name, &prepared.inventory, &mosquitto.live_hash())?;
    }
    if !was_up {
        made.shared = !prepared.inventory.exists;
        let emptied = emptied_brokers(up.stack, &lost);
        let (last, first): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| emptied.contains(&step.service()));
        Memo::update(&dir, |memo| memo.services = up.stack.services())?;
        apply(up, &before, &first, made, report, shutdown).await?;
        if !last.is_empty() {
            let inventory = up.runtime.inventory(&up.stack.name).await?;
            let endpoints = connect::endpoints(up.stack, &inventory, up.paths)?;
            let others = usize::from(up.stack.kafka.brokers) - emptied.len();
            shutdown.guard(rescue::elect(&dir, &endpoints, others, deadline, report)).await?;
            apply(up, &before, &last, made, report, shutdown).await?;
        }
    }
    if shutdown.is_requested() {
        return Err(shutdown.interrupted().into());
    }
    let inventory = if was_up { before } else { up.runtime.inventory(&up.stack.name).await? };
    let endpoints = connect::endpoints(up.stack, &inventory, up.paths)?;
    let proof = Proof { stack: up.stack, endpoints: &endpoints, probe: &prepared.secrets.accounts.probe, deadline };
    let started = Instant::now();
    let proven = tokio::select! {
        // What has been proven is, even if a signal comes at the same time.
        biased;
        proven = prove_or_find_dead(up.runtime, &proof, ran, report) => proven,
        () = shutdown.requested() => return Err(shutdown.interrupted().into()),
    };
    match proven {
        Ok(seeded) => {
            made.proven = true;
            rescue::forbid(&dir, &endpoints).await?;
            Memo::update(&dir, |memo| {
                memo.volumes = inventory.volumes.iter().cloned().collect();
                memo.services = up.stack.services();
            })?;
            Ok(Ready { endpoints, seeded, bridges: Vec::new(), was_up })
        }
        Err(unready) => Err(evidence::not_ready(up.runtime, &up.stack.name, unready, started.elapsed()).await.into()),
    }
}

/// Brings the bridges up, or takes them away; whether any was started.
async fn bridge(
    up: &Up<'_>,
    change: Change<'_>,
    proof: bridge_proof::Proof,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<bool> {
    let (name, paths) = (&up.stack.name, up.paths);
    match change {
        Change::None => Ok(false),
        Change::Remove => bridges::remove(paths, name, report).await.map(|()| false),
        Change::Run(plan) => {
            let which = &Bridge::ALL;
            let bringing = Bringing { name, paths, plan, which, proof: Some(proof), retain: up.retain };
            bridges::bring(&bringing, report, shutdown).await
        }
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
async fn ensure_ports_free(up: &Up<'_>, prepared: &Prepared, steps: &[Step], bridges: Change<'_>) -> Result<()> {
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
    let of_services = prepared
        .workloads
        .iter()
        .filter(|workload| starting(workload.service) && !unrecorded(workload.service))
        .flat_map(|workload| workload.ports.iter().map(|port| (Member::from(workload.service), port.host)))
        .filter(|(_, port)| !held.contains_key(port));
    let of_bridges = if let Change::Run(plan) = bridges { plan.ports() } else { Vec::new() };
    let there = Hosted::of(up.paths, &up.stack.name).instances()?;
    let holds = |(bridge, port): &(Bridge, u16)| {
        there.iter().any(|one| one.bridge == *bridge && one.port == *port && one.state.is_alive())
    };
    let of_bridges = of_bridges.into_iter().filter(|bridge| !holds(bridge)).map(|(bridge, port)| (bridge.into(), port));
    let wanted: Vec<(Member, u16)> = of_services.chain(of_bridges).collect();
    ports::ensure_free(&wanted, up.stack, up.paths).await
}

/// Removes credentials that nothing has ever used. Those that were there before, for a cluster, stay; the stack is nowhere.
fn forget_secrets(up: &Up<'_>, prepared: &Prepared) {
    if prepared.inventory.exists || !prepared.inventory.volumes.is_empty() {
        return;
    }
    if prepared.secrets_are_new {
        // What bridges took in meanwhile is of a stack that nobody has used.
        let _ = fs::remove_dir_all(up.paths.bridge(&up.stack.name));
        down::forget_secrets(up.paths, &up.stack.name);
        return;
    }
    // On a full disk the note of where it was to be stays: the next `up` writes it again.
    let _ = Memo::update(&up.paths.stack(&up.stack.name), |memo| {
        if memo.volumes.is_empty() {
            (memo.runtime, memo.daemon) = (None, None);
        }
    });
}
