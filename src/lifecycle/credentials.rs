//! Whose stack it is: one for which this data directory has no credentials is never silently given new ones.

use std::path::Path;

use anyhow::Result;

use crate::about::{About, Remedy};
use crate::failure::Failure;
use crate::memo::Memo;
use crate::paths::Paths;
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::secrets::{Accounts, Authority};
use crate::stack::{Role, StackName};

/// Where a stack's services and data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub kind: RuntimeKind,
    /// See [`crate::runtime::Runtime::daemon`].
    pub daemon: Option<String>,
}

/// Refuses when the stack exists, and this data directory has no credentials for it.
///
/// # Errors
/// [`Failure::Failed`] that lays the choice before the user; others when a file cannot be read.
pub fn ensure_there(paths: &Paths, name: &StackName, inventory: &Inventory) -> Result<()> {
    let dir = paths.stack(name);
    if exists(inventory) && (Accounts::read(&dir)?.is_none() || !Authority::exists(&dir)) {
        return Err(missing(paths, name).into());
    }
    Ok(())
}

/// As [`ensure_there`]; refuses also when the credentials were made for another stack of this name, in another place.
///
/// # Errors
/// As for [`ensure_there`].
pub fn ensure_of(place: &Place, paths: &Paths, name: &StackName, inventory: &Inventory) -> Result<()> {
    ensure_there(paths, name, inventory)?;
    let dir = paths.stack(name);
    let memo = Memo::read(&dir)?;
    if exists(inventory) && !is_of(place, &memo) {
        return Err(foreign(&dir, name).into());
    }
    if !has_loaded_ours(inventory, &memo) {
        return Err(replaced(&dir, name).into());
    }
    Ok(())
}

/// Refuses when the stack, which exists, was not made from this data directory: with one Docker, names are shared by all
/// its users. Processes are known by this data directory only.
///
/// # Errors
/// [`Failure::Failed`] that names the way to act on it all the same; others when the runtime does not answer.
pub async fn ensure_made_here(runtime: &dyn Runtime, paths: &Paths, name: &StackName) -> Result<()> {
    let dir = paths.stack(name);
    let memo = Memo::read(&dir)?;
    let place = Place { kind: runtime.kind(), daemon: runtime.daemon().await? };
    if place.kind == RuntimeKind::Process || is_of(&place, &memo) {
        return Ok(());
    }
    let cause = format!(
        "stack {name} was not made from {}: it was made by another user or with another XDG_DATA_HOME",
        dir.display()
    );
    let remedy = Remedy::either([
        Remedy::words("run sosstack as the user that made it"),
        Remedy::words(format!("if nobody needs it, remove it: {}", name.about().command("down --not-mine"))),
    ]);
    Err(Failure::Failed { cause, remedy }.into())
}

/// Notes that Mosquitto is about to load these logins: before it does, as whatever comes next may be a kill.
///
/// # Errors
/// When the memo cannot be written.
pub(super) fn note_logins(paths: &Paths, name: &StackName, inventory: &Inventory, next: &str) -> Result<()> {
    let mut logins: Vec<String> = loaded(inventory).map(str::to_owned).into_iter().collect();
    logins.push(next.to_owned());
    logins.dedup();
    Memo::update(&paths.stack(name), |memo| memo.logins = logins)
}

/// The hash of the logins that Mosquitto has; None where there is no Mosquitto, or it was not noted down.
fn loaded(inventory: &Inventory) -> Option<&str> {
    let mosquitto = inventory.instances.iter().find(|instance| instance.service.role == Role::Mosquitto)?;
    Some(mosquitto.live_hash.as_str()).filter(|hash| !hash.is_empty())
}

fn has_loaded_ours(inventory: &Inventory, memo: &Memo) -> bool {
    let is_ours = |hash: &str| memo.logins.iter().any(|ours| ours == hash);
    memo.logins.is_empty() || loaded(inventory).is_none_or(is_ours)
}

fn exists(inventory: &Inventory) -> bool {
    !inventory.instances.is_empty() || !inventory.volumes.is_empty()
}

/// A daemon that keeps no id may be any.
fn is_of(place: &Place, memo: &Memo) -> bool {
    let same_daemon = match (&place.daemon, &memo.daemon) {
        (Some(here), Some(noted)) => here == noted,
        _ => true,
    };
    memo.runtime == Some(place.kind) && same_daemon
}

/// The failure of a command that needs the credentials of a stack that exists without them.
pub fn missing(paths: &Paths, name: &StackName) -> Failure {
    let dir = paths.stack(name);
    let cause = format!(
        "stack {name} exists, but its credentials are not in {}: it was made by another user or with another \
         XDG_DATA_HOME, or they were removed by hand",
        dir.display()
    );
    Failure::Failed { cause, remedy: remedy(name) }
}

fn foreign(dir: &Path, name: &StackName) -> Failure {
    let cause = format!(
        "stack {name} exists, but the credentials in {} were not made for it: somebody else's has the same name",
        dir.display()
    );
    Failure::Failed { cause, remedy: remedy(name) }
}

fn replaced(dir: &Path, name: &StackName) -> Failure {
    let cause = format!(
        "stack {name} was given other credentials than those in {}, by another user or with another XDG_DATA_HOME",
        dir.display()
    );
    Failure::Failed { cause, remedy: remedy(name) }
}

fn remedy(name: &StackName) -> Remedy {
    let another = About::this_machine().command("up --stack NAME --port-offset N");
    let replaced = name.about().command("up --replace-credentials");
    Remedy::either([
        Remedy::words("run sosstack as the user that made it, or bring its credentials back"),
        Remedy::words(format!("make a stack of your own beside it: {another}")),
        Remedy::words(format!("give it new credentials, which locks out everybody who has the old ones: {replaced}")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Instance, State};
    use crate::stack::Service;

    #[test]
    fn credentials_are_of_one_runtime_and_one_daemon() {
        let place = |kind, daemon: Option<&str>| Place { kind, daemon: daemon.map(str::to_owned) };
        let memo =
            |runtime, daemon: Option<&str>| Memo { runtime, daemon: daemon.map(str::to_owned), ..Memo::default() };
        let here = place(RuntimeKind::Docker, Some("a"));
        assert!(is_of(&here, &memo(Some(RuntimeKind::Docker), Some("a"))));
        assert!(!is_of(&here, &memo(Some(RuntimeKind::Docker), Some("b"))));
        assert!(is_of(&here, &memo(Some(RuntimeKind::Docker), None)), "no id was noted");
        assert!(
            is_of(&place(RuntimeKind::Docker, None), &memo(Some(RuntimeKind::Docker), Some("a"))),
            "it keeps no id"
        );
        assert!(!is_of(&here, &memo(Some(RuntimeKind::Process), None)));
        assert!(!is_of(&here, &memo(None, None)), "made for a cluster only");
    }

    #[test]
    fn logins_that_somebody_else_gave_are_not_ours() {
        let has = |live_hash: &str| {
            let mosquitto = Instance {
                service: Service::mosquitto(),
                config_hash: String::new(),
                live_hash: live_hash.to_owned(),
                port_offset: 0,
                ports: Vec::new(),
                state: State::Running,
                started: None,
                handle: String::new(),
                restarts: 0,
            };
            Inventory { instances: vec![mosquitto], ..Inventory::default() }
        };
        let noted =
            |logins: &[&str]| Memo { logins: logins.iter().map(ToString::to_string).collect(), ..Memo::default() };
        assert!(has_loaded_ours(&has("a"), &noted(&["a"])));
        assert!(has_loaded_ours(&has("a"), &noted(&["a", "b"])), "killed before it loaded the next ones");
        assert!(!has_loaded_ours(&has("c"), &noted(&["a", "b"])));
        assert!(has_loaded_ours(&has("c"), &noted(&[])), "from before it was noted");
        assert!(has_loaded_ours(&has(""), &noted(&["a"])), "a process without a record");
        assert!(has_loaded_ours(&Inventory::default(), &noted(&["a"])));
    }

    #[test]
    fn what_does_not_exist_needs_no_credentials() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { data: home.path().to_owned(), cache: home.path().to_owned() };
        let name = "other".parse().unwrap();
        assert!(ensure_there(&paths, &name, &Inventory::default()).is_ok());
        let exists = Inventory { volumes: vec!["kafka-0-data".to_owned()], ..Inventory::default() };
        let refusal = ensure_there(&paths, &name, &exists).unwrap_err();
        let remedy = crate::failure::remedy(&refusal).unwrap();
        assert!(remedy.as_str().ends_with("sosstack up --replace-credentials --stack other"), "{remedy}");
    }
}
