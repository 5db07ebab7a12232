//! Notices services that die while others wait for them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::evidence;
use super::ready::Unready;
use crate::event::{Event, Notice, Report};
use crate::runtime::{Inventory, Runtime, State};
use crate::stack::{Service, StackName};

const INTERVAL: Duration = Duration::from_millis(250);

/// Kafka ends with this when it was killed and its session in ZooKeeper still lives; it may start
/// again as soon as the session is gone.
const SESSION_STILL_ALIVE: &str = "NodeExists";

/// Among so many lines a service that has ended says why.
const LAST_WORDS: usize = 40;
/// More lines than a broker writes between its start and its end: what Docker has started again may
/// have said much before anybody looks for why the life before ended.
const A_LIFE: usize = 2000;

/// So many ends in a row are not an accident: what Docker starts again and again will not come up.
const RESTARTS: u32 = 3;

/// Resolves when a service of the stack has ended for good. One that ran before (`ran`) may have been killed just as it
/// was looked at, and looked alive: it is started once.
pub(super) async fn until_dead(
    runtime: &dyn Runtime,
    name: &StackName,
    mut ran: BTreeSet<Service>,
    report: Report<'_>,
) -> Unready {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Ok(inventory) = runtime.inventory(name).await else { continue };
        for service in paused(&inventory) {
            report(Event::Noticed(Notice::Resuming(service)));
            if let Err(error) = runtime.resume(name, service).await {
                return Unready { services: vec![service], cause: format!("{service} is paused: {error:#}") };
            }
        }
        for (service, cause) in ended(&inventory) {
            let dead = Unready { services: vec![service], cause };
            if ran.remove(&service) && !restarted_by_runtime(&inventory, service) {
                report(Event::Noticed(Notice::StartingAgain(service)));
                if let Err(unready) = start(runtime, name, service).await {
                    return unready;
                }
                continue;
            }
            let restarted = restarted_by_runtime(&inventory, service);
            let count = if restarted { A_LIFE } else { LAST_WORDS };
            let lines = evidence::last_lines(runtime, name, &dead, count).await;
            let session_alive = lines.iter().any(|line| line.contains(SESSION_STILL_ALIVE));
            if !session_alive {
                return dead;
            }
            if restarted {
                continue;
            }
            report(Event::Noticed(Notice::WaitsForSession(service)));
            if let Err(unready) = start(runtime, name, service).await {
                return unready;
            }
        }
    }
}

async fn start(runtime: &dyn Runtime, name: &StackName, service: Service) -> Result<(), Unready> {
    let started = runtime.start(name, service).await;
    started.map_err(|error| Unready { services: vec![service], cause: format!("{service}: {error:#}") })
}

fn paused(inventory: &Inventory) -> impl Iterator<Item = Service> {
    let paused = inventory.instances.iter().filter(|instance| instance.state == State::Paused);
    paused.map(|instance| instance.service)
}

fn ended(inventory: &Inventory) -> impl Iterator<Item = (Service, String)> {
    inventory.instances.iter().filter_map(|instance| {
        let service = instance.service;
        match instance.state {
            State::Exited { code: Some(code) } => Some((service, format!("{service} exited with code {code}"))),
            State::Exited { code: None } => Some((service, format!("{service} exited while starting"))),
            State::Stopped => Some((service, format!("{service} was stopped while starting"))),
            _ if instance.restarts >= RESTARTS => {
                Some((service, format!("{service} exited {} times while starting", instance.restarts)))
            }
            State::Created | State::Running | State::Paused | State::Missing | State::Restarting => None,
        }
    })
}

fn restarted_by_runtime(inventory: &Inventory, service: Service) -> bool {
    inventory.instances.iter().any(|instance| instance.service == service && instance.restarts > 0)
}
