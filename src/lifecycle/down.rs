//! Stopping and removing: Kafka before ZooKeeper, or brokers hang on a coordinator that is gone.

use std::fs;

use anyhow::Result;

use super::all::all;
use super::bridges;
use crate::event::{self, Event, Notice, Outcome, Report, Step};
use crate::memo::Memo;
use crate::paths::{Paths, SIMULATION_LOCK};
use crate::runtime::bridges::Hosted;
use crate::runtime::{Inventory, Runtime};
use crate::secrets::ClusterSecrets;
use crate::shutdown::Shutdown;
use crate::stack::load::Place;
use crate::stack::sizes::stop_grace;
use crate::stack::{Bridge, Role, Service, StackName};

/// Stops services: Kafka and Mosquitto at once, then ZooKeeper.
///
/// # Errors
/// When the runtime cannot stop one.
pub async fn stop_in_order(runtime: &dyn Runtime, paths: &Paths, name: &StackName, services: &[Service]) -> Result<()> {
    let dir = paths.stack(name);
    // Helps only if this command is killed: a full disk must not keep it from making room.
    let _ = Memo::update(&dir, |memo| memo.stopping = services.to_vec());
    let stop = |service: &Service| runtime.stop(name, *service, stop_grace(service.role, Place::Laptop));
    let (zookeeper, others): (Vec<&Service>, Vec<&Service>) =
        services.iter().partition(|service| service.role == Role::Zookeeper);
    all(others.into_iter().map(stop)).await?;
    all(zookeeper.into_iter().map(stop)).await?;
    let _ = Memo::update(&dir, |memo| memo.stopping.clear());
    Ok(())
}

/// Finishes a stop that was killed: services that are still ending look as if they ran. Whether there was one.
///
/// # Errors
/// When the runtime cannot stop one.
pub async fn finish_stopping(runtime: &dyn Runtime, paths: &Paths, name: &StackName) -> Result<bool> {
    let stopping = Memo::read(&paths.stack(name))?.stopping;
    if stopping.is_empty() {
        return Ok(false);
    }
    stop_in_order(runtime, paths, name, &stopping).await?;
    Ok(true)
}

/// Starts those of the services that ran before, after their stop was interrupted or failed.
///
/// # Errors
/// When the runtime cannot start one.
pub(super) async fn start_again(
    runtime: &dyn Runtime,
    name: &StackName,
    before: &Inventory,
    services: &[Service],
    report: Report<'_>,
) -> Result<()> {
    report(Event::Noticed(Notice::StartingWhatRan));
    let ran = services.iter().filter(|service| before.is_alive(**service));
    all(ran.map(|service| runtime.start(name, *service))).await
}

/// Removes a stack's bridges, its instances and what they share; with `volumes` also its data and credentials.
///
/// # Errors
/// When the runtime refuses. Running it again finishes the rest. [`crate::failure::Failure::Interrupted`] when a signal
/// comes before anything was removed: what ran goes on.
pub async fn down(
    runtime: &dyn Runtime,
    paths: &Paths,
    name: &StackName,
    inventory: &Inventory,
    volumes: bool,
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    // Before the brokers, so that what is in flight gets there.
    let ended = bridges::stop(paths, name, &Bridge::ALL, report).await?;
    let services: Vec<Service> = inventory.instances.iter().map(|instance| instance.service).collect();
    if !services.is_empty() {
        event::step(report, Step::StopServices, async {
            stop_in_order(runtime, paths, name, &services).await?;
            anyhow::Ok(((), Outcome::Stopped { count: services.len() }))
        })
        .await?;
    }
    if shutdown.is_requested() {
        start_again(runtime, name, inventory, &services, report).await?;
        bridges::start_again(paths, name, &ended)?;
        return Err(shutdown.interrupted().into());
    }
    all(services.iter().map(|service| runtime.remove(name, *service))).await?;
    bridges::remove(paths, name, report).await?;
    if volumes {
        event::step(report, Step::RemoveData, async {
            runtime.remove_volumes(name, &inventory.volumes).await?;
            anyhow::Ok(((), Outcome::RemovedVolumes { count: inventory.volumes.len() }))
        })
        .await?;
        forget(paths, name, report);
    }
    runtime.retire(name).await
}

/// As [`forget_secrets`]; says so where logins stay.
pub fn forget(paths: &Paths, name: &StackName, report: Report<'_>) {
    if forget_secrets(paths, name) {
        report(Event::Noticed(Notice::LoginsKept { dir: paths.stack(name) }));
    }
}

/// Removes the credentials of a stack of which nothing is left. Those that were exported to a cluster stay: the devices
/// there go on, and their passwords are nowhere else. Whether they stayed.
pub fn forget_secrets(paths: &Paths, name: &StackName) -> bool {
    let dir = paths.stack(name);
    let exported = ClusterSecrets::exist(&dir);
    let accounts: &[&str] = if exported { &[] } else { &["accounts.json"] };
    for file in ["authority.json", "server.json", "ca.pem", SIMULATION_LOCK].iter().chain(accounts) {
        let _ = fs::remove_file(dir.join(file));
    }
    Memo::forget(&dir);
    // Their logs and records only: whoever removes a stack ends its bridges first.
    let _ = Hosted::of(paths, name).remove();
    let _ = fs::remove_dir(dir);
    exported
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Accounts;

    #[test]
    fn logins_that_a_cluster_lives_by_outlast_the_stack() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { data: home.path().to_owned(), cache: home.path().to_owned() };
        let name: StackName = "sos".parse().unwrap();
        let dir = paths.stack(&name);
        let accounts = Accounts::ensure(&dir, &[]).unwrap();
        ClusterSecrets::ensure(&dir).unwrap();
        assert!(forget_secrets(&paths, &name));
        assert!(Accounts::read(&dir).unwrap() == Some(accounts) && ClusterSecrets::exist(&dir));

        fs::remove_dir_all(&dir).unwrap();
        Accounts::ensure(&dir, &[]).unwrap();
        assert!(!forget_secrets(&paths, &name));
        assert!(!dir.exists(), "nothing of the stack is left");
    }
}
