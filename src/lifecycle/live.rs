//! Accounts that a running Mosquitto loads, whatever else of its configuration differs from the stack file.

use anyhow::Result;

use super::credentials::{self, Place};
use super::down;
use super::request::Up;
use crate::failure::Failure;
use crate::runtime::{Instance, State};
use crate::secrets::{Accounts, Authority, ServerCertificate};
use crate::stack::{Role, StackName};
use crate::workload::build::{Secrets, certificate_names, mosquitto_live_files};
use crate::workload::live_hash;

/// Refuses where the stack is not this user's to change.
///
/// # Errors
/// As for [`credentials::ensure_of`].
pub(super) async fn ensure_ours(up: &Up<'_>) -> Result<()> {
    let (inventory, daemon) = tokio::try_join!(up.runtime.inventory(&up.stack.name), up.runtime.daemon())?;
    credentials::ensure_of(&Place { kind: up.runtime.kind(), daemon }, up.paths, &up.stack.name, &inventory)
}

/// Has the running Mosquitto load accounts, if they differ from those that it loaded last; whether one runs.
///
/// # Errors
/// When it cannot be told to.
pub(super) async fn load(up: &Up<'_>, accounts: &Accounts) -> Result<bool> {
    let Up { stack, runtime, paths, .. } = up;
    down::finish_stopping(*runtime, paths, &stack.name).await?;
    let inventory = runtime.inventory(&stack.name).await?;
    let runs = |instance: &&Instance| instance.service.role == Role::Mosquitto && instance.state.is_alive();
    let Some(mosquitto) = inventory.instances.iter().find(runs) else { return Ok(false) };
    if mosquitto.state == State::Paused {
        return Err(paused(&stack.name).into());
    }
    let secrets = Secrets { accounts: accounts.clone(), certificate: certificate(up)? };
    let files = mosquitto_live_files(&runtime.target(stack).await?, &secrets);
    let hash = live_hash(&files);
    if mosquitto.live_hash != hash {
        credentials::note_logins(paths, &stack.name, &inventory, &hash)?;
        runtime.reload(&stack.name, mosquitto.service, &files, &hash).await?;
    }
    Ok(true)
}

/// It would learn of the change when it goes on, which may be never.
fn paused(name: &StackName) -> Failure {
    Failure::NotRunning {
        cause: format!("Mosquitto of stack {name} is paused, so it cannot load any change; nothing was changed"),
        remedy: name.about().remedy("up").then(" resumes it"),
    }
}

/// The one that is in use: another one, for the names of a changed stack file, is `up`'s to issue.
fn certificate(up: &Up<'_>) -> Result<ServerCertificate> {
    let dir = up.paths.stack(&up.stack.name);
    if let Some(certificate) = ServerCertificate::read(&dir)? {
        return Ok(certificate);
    }
    let authority = Authority::ensure(&dir, &up.stack.name)?;
    ServerCertificate::ensure(&dir, &authority, &certificate_names(up.stack))
}
