//! Devices come and go while Mosquitto runs: others keep their connections and what is queued for them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::up::{self, Up};
use super::{connect, poll};
use crate::endpoints::Endpoints;
use crate::event::{self, Event, Report};
use crate::failure::Failure;
use crate::mqtt::access::is_refused_login;
use crate::mqtt::connection::{Connection, Login, Transport};
use crate::paths::Paths;
use crate::secrets::Accounts;
use crate::stack::device::SERVICE_USER;
use crate::stack::{Device, StackName};

/// How long the server may take to act on changed accounts; it takes a tenth of a second.
const TAKES_EFFECT: Duration = Duration::from_secs(10);
/// How long one login may take.
const LOGIN: Duration = Duration::from_secs(3);

/// Whose devices change: a stack's, whether it runs here, or only in a cluster to which it is exported.
pub struct Fleet<'a> {
    pub paths: &'a Paths,
    pub name: &'a StackName,
    /// None where the stack has no services on this machine.
    pub running: Option<&'a Up<'a>>,
}

/// What a change of accounts came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Devices (or the backend) whose login changed, in the order in which they were named.
    pub changed: Vec<String>,
    /// Devices for which nothing had to be done.
    pub unchanged: Vec<String>,
    /// Whether a running Mosquitto was proven to act on it; else it will from its next start on.
    pub live: bool,
}

/// Enrols devices.
///
/// # Errors
/// [`Failure::Usage`] when one is enrolled already and belongs to somebody else; then none is.
pub async fn add(fleet: &Fleet<'_>, devices: &[Device], report: Report<'_>) -> Result<Changed> {
    let mut accounts = accounts(fleet)?;
    let foreign: Vec<String> = devices.iter().filter_map(|device| owned_by_another(&accounts, device)).collect();
    if !foreign.is_empty() {
        return Err(Failure::Usage {
            cause: foreign.join("\n  "),
            remedy: "remove the device first, which ends its login: sosstack device remove ID".to_owned(),
        }
        .into());
    }
    let (new, old): (Vec<&Device>, Vec<&Device>) = devices.iter().partition(|device| accounts.enrol(device));
    let ids = |devices: Vec<&Device>| devices.into_iter().map(|device| device.id.clone()).collect();
    let changed = Changed { changed: ids(new), unchanged: ids(old), live: false };
    carry_out(fleet, &accounts, changed, report).await
}

/// Takes logins away.
///
/// # Errors
/// [`Failure::Failed`] when a device is not enrolled; then none is removed.
pub async fn remove(fleet: &Fleet<'_>, ids: &[String], report: Report<'_>) -> Result<Changed> {
    let mut accounts = accounts(fleet)?;
    for id in ids {
        accounts.find(id, fleet.name)?;
    }
    let before = accounts.clone();
    let changed = ids.iter().filter(|id| accounts.remove(id)).cloned().collect();
    let changed = carry_out(fleet, &accounts, Changed { changed, ..Changed::default() }, report).await?;
    if let (Some(up), true, Some(id)) = (fleet.running, changed.live, changed.changed.last()) {
        let login = login(&before, id)?;
        until(up, &login, Wanted::Refused).await?;
    }
    Ok(changed)
}

/// Gives new passwords.
///
/// # Errors
/// [`Failure::Failed`] when a device is not enrolled; then none is changed.
pub async fn rotate(fleet: &Fleet<'_>, users: &[String], report: Report<'_>) -> Result<Changed> {
    let mut accounts = accounts(fleet)?;
    for user in users.iter().filter(|user| *user != SERVICE_USER) {
        accounts.find(user, fleet.name)?;
    }
    let changed = users.iter().filter(|user| accounts.rotate(user)).cloned().collect();
    carry_out(fleet, &accounts, Changed { changed, ..Changed::default() }, report).await
}

fn accounts(fleet: &Fleet<'_>) -> Result<Accounts> {
    Accounts::read(&fleet.paths.stack(fleet.name))?.ok_or_else(|| connect::not_running(fleet.name))
}

fn owned_by_another(accounts: &Accounts, device: &Device) -> Option<String> {
    let enrolled = accounts.devices.get(&device.id)?;
    let words = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
    (enrolled.owner != device.owner)
        .then(|| format!("{} is enrolled already and belongs to {}", device.id, words(&enrolled.owner)))
}

/// Writes the accounts, then has Mosquitto load them: after a kill in between, the next command does the rest.
async fn carry_out(
    fleet: &Fleet<'_>,
    accounts: &Accounts,
    mut changed: Changed,
    report: Report<'_>,
) -> Result<Changed> {
    if !changed.changed.is_empty() {
        accounts.write(&fleet.paths.stack(fleet.name))?;
    }
    let Some(up) = fleet.running else {
        report(Event::Note("the stack does not run here; sosstack export secrets tells a cluster".to_owned()));
        return Ok(changed);
    };
    event::step(report, "Mosquitto", async {
        changed.live = up::reload(up).await?;
        // All are loaded at once: the last one speaks for the others.
        if let (true, Some(user)) = (changed.live, changed.changed.last())
            && let Ok(login) = login(accounts, user)
        {
            until(up, &login, Wanted::Accepted).await?;
        }
        let words = if changed.live { "knows" } else { "does not run; it will know" };
        anyhow::Ok((changed, words.to_owned()))
    })
    .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Accepted,
    Refused,
}

fn login(accounts: &Accounts, user: &str) -> Result<Login> {
    let account = accounts.users().find(|(name, _)| *name == user).map(|(_, account)| account);
    let password = account.with_context(|| format!("{user} has no login"))?.password.clone();
    Ok(Login { username: user.to_owned(), password })
}

/// Until the server treats a login as it should.
async fn until(up: &Up<'_>, login: &Login, wanted: Wanted) -> Result<()> {
    let inventory = up.runtime.inventory(&up.stack.name).await?;
    let endpoints: Endpoints = connect::endpoints(up.stack, &inventory, up.paths)?;
    let deadline = Instant::now() + TAKES_EFFECT;
    let asked = poll::until("Mosquitto", deadline, &|_| {}, async || {
        match (Connection::open(&endpoints.mqtt, &Transport::Tcp, login, LOGIN).await, wanted) {
            (Ok(connection), Wanted::Accepted) => {
                let _ = connection.close(LOGIN).await;
                Ok(())
            }
            (Ok(_), Wanted::Refused) => Err(format!("{} is still let in", login.username)),
            (Err(error), Wanted::Refused) if is_refused_login(&error) => Ok(()),
            (Err(error), _) => Err(format!("{error:#}")),
        }
    });
    match asked.await {
        Ok(()) => Ok(()),
        Err(words) => bail!("Mosquitto does not act on the change: {words}"),
    }
}
