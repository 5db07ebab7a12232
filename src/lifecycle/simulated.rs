//! Devices that exist only while they are simulated: noted in the memo before they are enrolled, removed after, and by
//! the next command that changes a stack's logins where the simulation was killed.

use anyhow::{Context, Result};

use super::devices::{self, Fleet};
use super::lock::Lock;
use crate::about::Remedy;
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::secrets::Accounts;
use crate::stack::{Device, Simulated, StackName};

/// A device and the password that it logs in with.
pub struct Login {
    pub device: Device,
    pub password: String,
}

/// The devices of a running simulation. Whoever holds this dismisses them in the end.
pub struct Enrolled {
    pub logins: Vec<Login>,
    simulated: Simulated,
    lock: Lock,
}

/// Gives each device a login, under the stack's lock.
///
/// # Errors
/// [`Failure::Busy`] where another simulation runs, [`Failure::Usage`] where a device of such an id is enrolled already.
pub async fn enrol(fleet: &Fleet<'_>, simulated: Simulated, report: Report<'_>) -> Result<Enrolled> {
    let dir = fleet.paths.stack(fleet.name);
    // Also removes what a simulation that was killed left.
    let before = devices::accounts(fleet).await?;
    let lock = match Lock::of_simulation(fleet.paths, fleet.name)? {
        Ok(lock) => lock,
        Err(holder) => {
            let cause = format!("{holder} is simulating devices of stack {} already", fleet.name);
            let remedy = Remedy::words("wait for it to end, or end it with Ctrl-C");
            return Err(Failure::Busy { cause, remedy }.into());
        }
    };
    let wanted: Vec<Device> = simulated.devices().collect();
    if let Some(taken) = wanted.iter().find(|device| before.devices.contains_key(&device.id)) {
        lock.remove();
        return Err(Failure::Usage {
            cause: format!("device {} is enrolled already, so it is not a simulation's to remove", taken.id),
            remedy: Remedy::words("take another --seed: it is part of the devices' ids"),
        }
        .into());
    }
    Memo::update(&dir, |memo| memo.simulated = Some(simulated))?;
    let added = devices::add(fleet, &wanted, report).await;
    let logins = added.and_then(|_| {
        let accounts = Accounts::read(&dir)?.context("the stack has no accounts")?;
        let login = |device: Device| {
            let password = accounts.find(&device.id, fleet.name)?.account.password.clone();
            Ok(Login { device, password })
        };
        wanted.into_iter().map(login).collect::<Result<Vec<Login>>>()
    });
    match logins {
        Ok(logins) => Ok(Enrolled { logins, simulated, lock }),
        Err(error) => {
            sweep_accounts(fleet.paths, fleet.name, &simulated)?;
            lock.remove();
            Err(error)
        }
    }
}

/// Takes the logins away again, under the stack's lock.
///
/// # Errors
/// When Mosquitto cannot be told. The accounts are as before all the same, and the next command tells it.
pub async fn dismiss(fleet: &Fleet<'_>, enrolled: Enrolled, report: Report<'_>) -> Result<()> {
    sweep_accounts(fleet.paths, fleet.name, &enrolled.simulated)?;
    enrolled.lock.remove();
    if Accounts::read(&fleet.paths.stack(fleet.name))?.is_none() {
        // The stack is gone, with its logins.
        return Ok(());
    }
    devices::accounts(fleet).await?;
    let count = enrolled.logins.len();
    report(Event::Note(format!("{count} simulated device{} removed", if count == 1 { "" } else { "s" })));
    Ok(())
}

/// Removes from the accounts what a simulation that was killed left; the caller holds the stack's lock, and has Mosquitto
/// load the accounts. Does nothing while a simulation runs.
///
/// # Errors
/// When memo or accounts cannot be read or written.
pub fn sweep(paths: &Paths, name: &StackName) -> Result<()> {
    let Some(simulated) = Memo::read(&paths.stack(name))?.simulated else { return Ok(()) };
    let Ok(lock) = Lock::of_simulation(paths, name)? else { return Ok(()) };
    sweep_accounts(paths, name, &simulated)?;
    lock.remove();
    Ok(())
}

/// Accounts first: a kill in between leaves the note, and so another sweep.
fn sweep_accounts(paths: &Paths, name: &StackName, simulated: &Simulated) -> Result<()> {
    let dir = paths.stack(name);
    let Some(mut accounts) = Accounts::read(&dir)? else { return Ok(()) };
    let removed = simulated.devices().filter(|device| accounts.forget(&device.id)).count();
    if removed > 0 {
        accounts.write(&dir)?;
    }
    Memo::update(&dir, |memo| memo.simulated = None)
}

/// The accounts without devices that are simulated just now: they are nobody else's.
///
/// # Errors
/// When the memo cannot be read.
pub fn without(paths: &Paths, name: &StackName, mut accounts: Accounts) -> Result<Accounts> {
    for device in Memo::read(&paths.stack(name))?.simulated.iter().flat_map(Simulated::devices) {
        accounts.forget(&device.id);
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_a_killed_simulation_left_is_swept_and_a_running_one_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { data: home.path().to_owned(), cache: home.path().to_owned() };
        let name: StackName = "sos".parse().unwrap();
        let dir = paths.stack(&name);
        let simulated = Simulated { seed: 7, devices: 3 };
        let own = Device { id: "own-1".to_owned(), owner: None };
        let all: Vec<Device> = simulated.devices().chain([own]).collect();
        Accounts::ensure(&dir, &all).unwrap();
        Memo::update(&dir, |memo| memo.simulated = Some(simulated)).unwrap();
        let ids = || Accounts::read(&dir).unwrap().unwrap().devices.into_keys().collect::<Vec<_>>();

        let running = Lock::of_simulation(&paths, &name).unwrap().unwrap();
        sweep(&paths, &name).unwrap();
        assert_eq!(ids().len(), 4);
        let accounts = Accounts::read(&dir).unwrap().unwrap();
        assert_eq!(without(&paths, &name, accounts).unwrap().devices.len(), 1, "nobody else's");
        // However it ends, the system releases the lock.
        drop(running);
        // Another test may be starting a program just now, which holds it until it runs.
        let deadline = Instant::now() + Duration::from_secs(10);
        while ids().len() > 1 && Instant::now() < deadline {
            sweep(&paths, &name).unwrap();
        }
        assert_eq!(ids(), ["own-1"]);
        assert_eq!(Memo::read(&dir).unwrap().simulated, None);
        assert!(Accounts::read(&dir).unwrap().unwrap().removed.is_empty(), "they were never there");
        assert!(!paths.simulation_lock(&name).exists());
    }
}
