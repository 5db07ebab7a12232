//! `sosstack down`

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, bridges, confirm};
use crate::bridge::journal;
use crate::cli::DownArgs;
use crate::event::{Event, Report};
use crate::lifecycle::lock::Lock;
use crate::lifecycle::{self, credentials, down};
use crate::runtime::bridges::{Hosted, Instance};
use crate::runtime::{Inventory, choose};
use crate::stack::{Member, StackName};
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
        let waiting = bridges::waiting(context, &name)?;
        let journaled = bridges::waiting_words(waiting);
        if args.yes && waiting > 0 {
            context.ui.report(Event::Warning(format!("removing stack {name} also removes {journaled}")));
        } else if !args.yes {
            let and = if waiting > 0 { format!(", and {journaled}") } else { String::new() };
            let question = format!(
                "Remove stack {name} with all its messages, sessions and credentials ({volumes} volumes){and}?"
            );
            confirm(context, &question, "nothing was removed", &name.about(), "down --volumes --yes").await?;
        }
    }
    let report: Report<'_> = &|event| context.ui.report(event);
    let hosted = Hosted::of(&context.paths, &name).instances()?;
    let (runtime, inventory) = (&*found.runtime, &found.inventory);
    down::down(runtime, &context.paths, &name, inventory, args.volumes, report, &context.shutdown).await?;
    if args.volumes {
        remove_journal(context, &name)?;
        lock.remove();
    } else if !found.inventory.volumes.is_empty() {
        let command = name.about().command("down --volumes");
        context.ui.say(&format!("Stack {name} is down; its data is kept. To remove that too: {command}"));
    }
    finish(context, &name, &found.inventory, &hosted, args.volumes)
}

/// Of a stack whose services and data were removed by hand, bridges and credentials may be left.
async fn nothing_there(context: &Context, args: &DownArgs, name: &StackName, lock: Lock) -> Result<()> {
    let hosted = Hosted::of(&context.paths, name).instances()?;
    lifecycle::bridges::remove(&context.paths, name, &|event| context.ui.report(event)).await?;
    if args.volumes && context.paths.stack(name).exists() {
        if !args.yes {
            let question = format!("Remove the credentials of stack {name}, of which nothing else is left?");
            confirm(context, &question, "nothing was removed", &name.about(), "down --volumes --yes").await?;
        }
        remove_journal(context, name)?;
        down::forget(&context.paths, name, &|event| context.ui.report(event));
    } else if hosted.is_empty() {
        context.ui.say(&format!("Stack {name} does not exist; nothing to do."));
    }
    lock.remove();
    finish(context, name, &Inventory::default(), &hosted, false)
}

/// The journal goes last: an interrupted `down` leaves everything that it would be delivered to.
fn remove_journal(context: &Context, name: &StackName) -> Result<()> {
    journal::remove(&context.paths.bridge(name))?;
    // Where logins stay it is not empty.
    let _ = std::fs::remove_dir(context.paths.stack(name));
    Ok(())
}

/// The result of `down`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    stack: StackName,
    #[schemars(with = "Vec<String>")]
    removed_services: Vec<Member>,
    removed_volumes: Vec<String>,
}

/// Where nobody wants JSON, all is said.
fn finish(
    context: &Context,
    name: &StackName,
    inventory: &Inventory,
    bridges: &[Instance],
    volumes: bool,
) -> Result<()> {
    if !context.ui.is_json() {
        return Ok(());
    }
    let services = inventory.instances.iter().map(|instance| Member::from(instance.service));
    Ui::print_json(&Outcome {
        stack: name.clone(),
        removed_services: services.chain(bridges.iter().map(|instance| instance.bridge.into())).collect(),
        removed_volumes: if volumes { inventory.volumes.clone() } else { Vec::new() },
    })
}
