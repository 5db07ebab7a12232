//! `sosstack down`

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, confirm};
use crate::bridge::journal;
use crate::cli::DownArgs;
use crate::event::{Event, Report};
use crate::lifecycle::credentials;
use crate::lifecycle::down;
use crate::lifecycle::lock::Lock;
use crate::runtime::Inventory;
use crate::runtime::choose;
use crate::stack::{Service, StackName};
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &DownArgs) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let lock = context.lock(&name, "down").await?;
    let Some(found) = context.shutdown.guard(choose::find(&context.paths, None, &name)).await? else {
        return nothing_there(context, args, &name, lock).await;
    };
    if !args.not_mine {
        context.shutdown.guard(credentials::ensure_made_here(&*found.runtime, &context.paths, &name)).await?;
    }
    if args.volumes {
        let volumes = found.inventory.volumes.len();
        let waiting = journal::removable(&context.paths.bridge(&name))?;
        let journaled = waiting_words(waiting);
        if args.yes && waiting > 0 {
            context.ui.report(Event::Warning(format!("with stack {name} go {journaled}")));
        } else if !args.yes {
            let and = if waiting > 0 { format!(", and {journaled}") } else { String::new() };
            let question = format!(
                "Remove stack {name} with all its messages, sessions and credentials ({volumes} volumes){and}?"
            );
            confirm(context, &question, "nothing was removed", &name.about(), "down --volumes --yes").await?;
        }
    }
    let report: Report<'_> = &|event| context.ui.report(event);
    let (runtime, inventory) = (&*found.runtime, &found.inventory);
    down::down(runtime, &context.paths, &name, inventory, args.volumes, report, &context.shutdown).await?;
    if args.volumes {
        remove_journal(context, &name)?;
        lock.remove();
    } else if !found.inventory.volumes.is_empty() {
        let command = name.about().command("down --volumes");
        context.ui.say(&format!("Stack {name} is down; its data is kept. To remove that too: {command}"));
    }
    finish(context, &name, &found.inventory, args.volumes)
}

/// Of a stack whose services and data were removed by hand, credentials may be left.
async fn nothing_there(context: &Context, args: &DownArgs, name: &StackName, lock: Lock) -> Result<()> {
    if args.volumes && context.paths.stack(name).exists() {
        if !args.yes {
            let question = format!("Remove the credentials of stack {name}, of which nothing else is left?");
            confirm(context, &question, "nothing was removed", &name.about(), "down --volumes --yes").await?;
        }
        remove_journal(context, name)?;
        down::forget(&context.paths, name, &|event| context.ui.report(event));
    } else {
        context.ui.say(&format!("Stack {name} is not there; nothing to do."));
    }
    lock.remove();
    finish(context, name, &Inventory::default(), false)
}

/// The journal goes last: an interrupted `down` leaves everything that it would be delivered to.
fn remove_journal(context: &Context, name: &StackName) -> Result<()> {
    journal::remove(&context.paths.bridge(name))?;
    // Where logins stay it is not empty.
    let _ = std::fs::remove_dir(context.paths.stack(name));
    Ok(())
}

/// What is lost with the bridge's journal.
fn waiting_words(waiting: u64) -> String {
    match waiting {
        1 => "1 message that waits in the bridge's journal for Kafka".to_owned(),
        waiting => format!("{waiting} messages that wait in the bridge's journal for Kafka"),
    }
}

/// The result of `down`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    removed_services: Vec<Service>,
    removed_volumes: Vec<String>,
}

/// Where nobody wants JSON, all is said.
fn finish(context: &Context, name: &StackName, inventory: &Inventory, volumes: bool) -> Result<()> {
    if !context.ui.is_json() {
        return Ok(());
    }
    Ui::print_json(&Outcome {
        stack: name.clone(),
        removed_services: inventory.instances.iter().map(|instance| instance.service).collect(),
        removed_volumes: if volumes { inventory.volumes.clone() } else { Vec::new() },
    })
}
