//! All checks, in the order in which they are shown.

use std::time::Duration;

use super::{Finding, bridges, machine, stack};
use crate::lifecycle::connect;
use crate::lifecycle::up::Up;
use crate::paths::Paths;
use crate::runtime::choose::Found;
use crate::stack::Stack;

/// How long a running stack may take for what is asked of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at this machine, and at every layer of a stack that has services on it.
pub async fn check(of: &Stack, found: Option<&Found>, paths: &Paths) -> Vec<Finding> {
    let running = found.map(|found| (&found.inventory, found.runtime.kind()));
    let mut findings = machine::check(of, paths, running).await;
    let Some(found) = found.filter(|found| !found.inventory.instances.is_empty()) else { return findings };
    let up = Up::of_running(of, &*found.runtime, paths, PATIENCE);
    let endpoints = connect::endpoints(of, &found.inventory, paths);
    match &endpoints {
        Ok(endpoints) => findings.extend(stack::check(&up, &found.inventory, endpoints).await),
        Err(error) => findings.push(Finding::of_error("secrets", error, of.name.about().remedy("up"))),
    }
    findings.extend(bridges::check(of, paths, endpoints.ok().as_ref()).await);
    findings
}
