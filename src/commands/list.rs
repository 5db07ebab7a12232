//! `sosstack list`: all stacks on this machine.

use anyhow::Result;
use serde::Serialize;

use super::Context;
use crate::about::About;
use crate::event::Event;
use crate::runtime::choose::Available;
use crate::runtime::{Inventory, RuntimeKind, State, choose};
use crate::stack::StackName;
use crate::ui::{Table, Ui};

#[derive(Serialize)]
struct Entry {
    stack: StackName,
    runtime: RuntimeKind,
    /// "up", "partly up", "stopped" or "down" (data only).
    state: &'static str,
    running: usize,
    services: usize,
    port_offset: u16,
    volumes: usize,
}

pub(super) async fn run(context: &Context) -> Result<()> {
    let mut entries = Vec::new();
    let Available { runtimes, without_docker, misses_daemon } = choose::available(&context.paths, None).await?;
    // Where no daemon is named and none answers there is no Docker; one that is named may have stacks.
    if let Some(error) = without_docker.filter(|_| misses_daemon) {
        context.ui.report(Event::Warning(format!("stacks in Docker are not listed: {error:#}")));
    }
    for runtime in runtimes {
        for stack in runtime.stacks().await? {
            match runtime.inventory(&stack).await {
                Ok(inventory) => entries.push(entry(stack, runtime.kind(), &inventory)),
                // One stack that cannot be read, such as a newer sosstack's, hides no other.
                Err(error) => context.ui.report(Event::Warning(format!("{error:#}"))),
            }
        }
    }
    entries.sort_by(|a, b| a.stack.cmp(&b.stack));
    if context.ui.is_json() {
        return Ui::print_json(&entries);
    }
    if entries.is_empty() {
        context.ui.say(&format!("No stacks on this machine. To make one: {}", About::this_machine().command("up")));
        return Ok(());
    }
    let mut table = Table::new(&["STACK", "RUNTIME", "STATE", "SERVICES", "PORT OFFSET"]);
    for entry in entries {
        table.row(vec![
            entry.stack.to_string().into(),
            entry.runtime.as_str().into(),
            entry.state.into(),
            format!("{}/{}", entry.running, entry.services).into(),
            entry.port_offset.to_string().into(),
        ]);
    }
    Ui::print(&table.render())
}

fn entry(stack: StackName, runtime: RuntimeKind, inventory: &Inventory) -> Entry {
    let services = inventory.instances.len();
    let running = inventory.instances.iter().filter(|instance| instance.state == State::Running).count();
    let state = match (running, services) {
        (0, 0) => "down",
        (0, _) if !inventory.instances.iter().any(|instance| instance.state.is_alive()) => "stopped",
        (running, services) if running == services => "up",
        _ => "partly up",
    };
    let port_offset = inventory.port_offset.unwrap_or(0);
    Entry { stack, runtime, state, running, services, port_offset, volumes: inventory.volumes.len() }
}
