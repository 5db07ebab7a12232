//! What simulations leave of logins when they are killed, and what others see of one that runs.

use anyhow::Result;

use super::lock::Lock;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::secrets::Accounts;
use crate::stack::{Simulated, StackName};

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

/// Takes the devices' logins away, and the note of them. Accounts first: a kill in between leaves the note, and so another sweep.
pub(super) fn sweep_accounts(paths: &Paths, name: &StackName, simulated: &Simulated) -> Result<()> {
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
    use crate::stack::Device;

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
