//! Devices that exist only while they are simulated: noted in the memo before they are enrolled, removed after, and by
//! the next command that changes a stack's logins where the simulation was killed.

use anyhow::{Context, Result};

use super::devices::{self, Fleet};
use super::leftover;
use super::lock::Lock;
use crate::about::Remedy;
use crate::event::{Event, Notice, Report};
use crate::failure::Failure;
use crate::memo::Memo;
use crate::secrets::{Accounts, Secret};
use crate::stack::{Device, Simulated};

/// A device and the password that it logs in with.
pub struct Login {
    pub device: Device,
    pub password: Secret,
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
            let cause = format!("{holder} is already simulating devices of stack {}", fleet.name);
            let remedy = Remedy::words("wait for it to finish, or stop it with Ctrl-C");
            return Err(Failure::Busy { cause, remedy }.into());
        }
    };
    let wanted: Vec<Device> = simulated.devices().collect();
    if let Some(taken) = wanted.iter().find(|device| before.devices.contains_key(&device.id)) {
        lock.remove();
        return Err(Failure::Usage {
            cause: format!("device {} is already enrolled, so a simulation must not remove it", taken.id),
            remedy: Remedy::words("use another --seed: it is part of the device ids"),
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
            leftover::sweep_accounts(fleet.paths, fleet.name, &simulated)?;
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
    leftover::sweep_accounts(fleet.paths, fleet.name, &enrolled.simulated)?;
    enrolled.lock.remove();
    if Accounts::read(&fleet.paths.stack(fleet.name))?.is_none() {
        // The stack is gone, with its logins.
        return Ok(());
    }
    devices::accounts(fleet).await?;
    report(Event::Noticed(Notice::Dismissed { devices: enrolled.logins.len() }));
    Ok(())
}
