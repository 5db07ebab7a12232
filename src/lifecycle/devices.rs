//! Devices come and go while Mosquitto runs: others keep their connections and what is queued for them.

use std::time::{Duration, Instant};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::up::Up;
use super::{connect, credentials, leftover, live, poll};
use crate::about::Remedy;
use crate::endpoints::Endpoints;
use crate::event::{self, Event, Notice, Outcome, Report, Step};
use crate::failure::Failure;
use crate::mqtt::access::{Access, Login, is_refused_login};
use crate::mqtt::probe;
use crate::paths::Paths;
use crate::secrets::Accounts;
use crate::stack::device::PROGRAMS;
use crate::stack::{Device, StackName};

/// How long a change of devices may take in all.
pub const PATIENCE: Duration = Duration::from_secs(30);
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

/// What a change of accounts came to; `sosstack device add --output json`, `remove` and `rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Changed {
    /// Devices (or the backend, or the bridge) whose login changed, in the order in which they were named.
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
    let before = accounts(fleet).await?;
    let foreign: Vec<String> = devices.iter().filter_map(|device| owned_by_another(&before, device)).collect();
    if !foreign.is_empty() {
        return Err(Failure::Usage {
            cause: foreign.join("\n  "),
            remedy: Remedy::words(format!(
                "remove the device first, which ends its login: {}",
                fleet.name.about().command("device remove ID")
            )),
        }
        .into());
    }
    let mut after = before.clone();
    let (new, old): (Vec<&Device>, Vec<&Device>) = devices.iter().partition(|device| after.enrol(device));
    let ids = |devices: Vec<&Device>| devices.into_iter().map(|device| device.id.clone()).collect();
    let changed = Changed { changed: ids(new), unchanged: ids(old), live: false };
    carry_out(fleet, &Change { before, after }, changed, report).await
}

/// Takes logins away.
///
/// # Errors
/// [`Failure::Failed`] when a device is not enrolled; then none is removed.
pub async fn remove(fleet: &Fleet<'_>, ids: &[String], report: Report<'_>) -> Result<Changed> {
    let before = accounts(fleet).await?;
    for id in ids {
        before.find(id, fleet.name)?;
    }
    let mut after = before.clone();
    let changed = ids.iter().filter(|id| after.remove(id)).cloned().collect();
    carry_out(fleet, &Change { before, after }, Changed { changed, ..Changed::default() }, report).await
}

/// Gives new passwords.
///
/// # Errors
/// [`Failure::Failed`] when a device is not enrolled; then none is changed.
pub async fn rotate(fleet: &Fleet<'_>, users: &[String], report: Report<'_>) -> Result<Changed> {
    let before = accounts(fleet).await?;
    for user in users.iter().filter(|user| !PROGRAMS.contains(&user.as_str())) {
        before.find(user, fleet.name)?;
    }
    let mut after = before.clone();
    let changed = users.iter().filter(|user| after.rotate(user)).cloned().collect();
    carry_out(fleet, &Change { before, after }, Changed { changed, ..Changed::default() }, report).await
}

/// The accounts as they are, also in a running Mosquitto: what a command that was killed began is finished first.
pub(super) async fn accounts(fleet: &Fleet<'_>) -> Result<Accounts> {
    leftover::sweep(fleet.paths, fleet.name)?;
    let accounts = Accounts::read(&fleet.paths.stack(fleet.name))?;
    let Some(up) = fleet.running else { return accounts.ok_or_else(|| connect::not_running(fleet.name)) };
    live::ensure_ours(up).await?;
    let accounts = accounts.ok_or_else(|| credentials::missing(fleet.paths, fleet.name))?;
    live::load(up, &accounts).await?;
    Ok(accounts)
}

fn owned_by_another(accounts: &Accounts, device: &Device) -> Option<String> {
    let enrolled = accounts.devices.get(&device.id)?;
    let words = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
    (enrolled.owner != device.owner)
        .then(|| format!("{} is already enrolled and belongs to {}", device.id, words(&enrolled.owner)))
}

/// Accounts before and after.
struct Change {
    before: Accounts,
    after: Accounts,
}

impl Change {
    /// What proves that the server acts on it. All accounts are loaded at once: the last one speaks for the others.
    fn proof(&self, changed: &Changed) -> Option<(Login, Wanted)> {
        let user = changed.changed.last().or(changed.unchanged.last())?;
        let accepted = login(&self.after, user).map(|login| (login, Wanted::Accepted));
        accepted.or_else(|| login(&self.before, user).map(|login| (login, Wanted::Refused)))
    }
}

/// Writes the accounts, then has Mosquitto load them: after a kill in between, the next command does the rest. What
/// Mosquitto does not act on is taken back, so that no later command takes it for done.
async fn carry_out(fleet: &Fleet<'_>, change: &Change, mut changed: Changed, report: Report<'_>) -> Result<Changed> {
    let dir = fleet.paths.stack(fleet.name);
    if !changed.changed.is_empty() {
        change.after.write(&dir)?;
    }
    let Some(up) = fleet.running else {
        report(Event::Noticed(Notice::RunsElsewhere { stack: fleet.name.clone() }));
        return Ok(changed);
    };
    let done = event::step(report, Step::ReloadLogins, async {
        let live = live::load(up, &change.after).await?;
        if let (true, Some((login, wanted))) = (live, change.proof(&changed)) {
            until(up, &login, wanted).await?;
        }
        anyhow::Ok((live, Outcome::LoginsReloaded { live }))
    });
    match done.await {
        Ok(live) => {
            changed.live = live;
            Ok(changed)
        }
        Err(error) => {
            change.before.write(&dir)?;
            let _ = live::load(up, &change.before).await;
            Err(error)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Accepted,
    Refused,
}

fn login(accounts: &Accounts, user: &str) -> Option<Login> {
    let (_, account) = accounts.users().find(|(name, _)| *name == user)?;
    Some(Login::new(user, account.password.clone()))
}

/// Until the server treats a login as it should.
async fn until(up: &Up<'_>, login: &Login, wanted: Wanted) -> Result<()> {
    let inventory = up.runtime.inventory(&up.stack.name).await?;
    let endpoints: Endpoints = connect::endpoints(up.stack, &inventory, up.paths)?;
    let access = Access { login: Some(login.clone()), ..Access::service(&endpoints) };
    let deadline = Instant::now() + TAKES_EFFECT;
    let asked = poll::until(&Step::ReloadLogins, deadline, &|_| {}, async || {
        match (probe::login(&access, LOGIN).await, wanted) {
            (Ok(()), Wanted::Accepted) => Ok(()),
            (Ok(()), Wanted::Refused) => Err(format!("{} can still log in", login.username)),
            (Err(error), Wanted::Refused) if is_refused_login(&error) => Ok(()),
            (Err(error), _) => Err(format!("{error:#}")),
        }
    });
    match asked.await {
        Ok(()) => Ok(()),
        Err(words) => {
            let about = up.stack.name.about();
            Err(Failure::Failed {
                cause: format!("Mosquitto did not apply the change, so it was undone: {words}"),
                remedy: Remedy::either([about.remedy("doctor"), about.remedy("logs mosquitto")]),
            }
            .into())
        }
    }
}
