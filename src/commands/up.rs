//! `sosstack up`

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::{Context, archives};
use crate::about::Remedy;
use crate::cli::{RuntimeArg, UpArgs};
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::lifecycle::down;
use crate::lifecycle::lock::Lock;
use crate::lifecycle::up::{self, Prepared, Ready, Up};
use crate::memo::Memo;
use crate::runtime::choose::{self, Found};
use crate::runtime::{Inventory, Runtime, RuntimeKind};
use crate::stack::load::RuntimeChoice;
use crate::stack::{Profile, Stack};
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &UpArgs) -> Result<()> {
    let started = Instant::now();
    let report: Report<'_> = &|event| context.ui.report(event);
    let profile = args.profile.map(Profile::from);
    let mut loaded = context.load(args.port_offset, profile)?;
    let name = loaded.stack.name.clone();
    let lock = Lock::acquire(&context.paths, &name, "up", started + args.timeout, report, &context.shutdown).await?;
    let found = context.shutdown.guard(choose::find(&context.paths, args.kafka_home.clone(), &name)).await?;
    let kept_offset = found.as_ref().and_then(|found| found.inventory.port_offset).filter(|_| !args.fresh);
    if args.port_offset.is_none() && loaded.stack.ports.offset == 0 && kept_offset.is_some() {
        loaded = context.load(kept_offset, profile)?;
    }
    let choice = args.runtime.map_or(loaded.runtime.unwrap_or(RuntimeChoice::Auto), from_argument);
    let found = match found {
        Some(found) if args.fresh => {
            let (runtime, inventory) = (&*found.runtime, &found.inventory);
            down::down(runtime, &context.paths, &name, inventory, true, report, &context.shutdown).await?;
            None
        }
        None if args.fresh => {
            // With --fresh, data that was removed by hand is no loss.
            down::forget(&context.paths, &name, report);
            None
        }
        found => found,
    };
    let stack = &loaded.stack;
    let result = run_on_chosen(context, args, stack, choice, found, report).await;
    let left_nothing = result.is_err() && !context.paths.stack(&name).exists();
    if left_nothing {
        lock.remove();
    }
    if profile.is_some() && context.paths.stack(&name).exists() {
        Memo::update(&context.paths.stack(&name), |memo| memo.profile = profile)?;
    }
    let (runtime, ready) = result?;
    archives::make_in_background(context, &*runtime, &name).await;
    show(context, stack, &*runtime, &ready, started.elapsed())
}

async fn run_on_chosen(
    context: &Context,
    args: &UpArgs,
    stack: &Stack,
    choice: RuntimeChoice,
    found: Option<Found>,
    report: Report<'_>,
) -> Result<(Box<dyn Runtime>, Ready)> {
    let (runtime, prepared) = choose_and_prepare(context, args, stack, choice, found, report).await?;
    let ready = up::up(&request(context, args, stack, &*runtime), prepared, report, &context.shutdown).await?;
    Ok((runtime, ready))
}

/// The runtime that can run the stack, with everything fetched that it runs from.
async fn choose_and_prepare(
    context: &Context,
    args: &UpArgs,
    stack: &Stack,
    choice: RuntimeChoice,
    found: Option<Found>,
    report: Report<'_>,
) -> Result<(Box<dyn Runtime>, Prepared)> {
    let kind = match (choice, &found) {
        (RuntimeChoice::Auto, Some(found)) => found.runtime.kind(),
        (choice, found) => match fixed(choice) {
            Some(kind) => {
                refuse_to_move(stack, kind, found.as_ref())?;
                kind
            }
            None => return prepare_wherever_possible(context, args, stack, report).await,
        },
    };
    let (runtime, known) = match found {
        Some(Found { runtime, inventory }) if runtime.kind() == kind => (runtime, Some(inventory)),
        _ => (connect(context, args, kind).await?, None),
    };
    let prepared = prepare(context, args, stack, &*runtime, known, report).await?;
    Ok((runtime, prepared))
}

async fn connect(context: &Context, args: &UpArgs, kind: RuntimeKind) -> Result<Box<dyn Runtime>> {
    context.shutdown.guard(choose::connect(kind, &context.paths, args.kafka_home.clone())).await
}

/// Docker if it works; plain processes if it does not, saying why.
async fn prepare_wherever_possible(
    context: &Context,
    args: &UpArgs,
    stack: &Stack,
    report: Report<'_>,
) -> Result<(Box<dyn Runtime>, Prepared)> {
    let try_on = async |kind| {
        let runtime = connect(context, args, kind).await?;
        let prepared = prepare(context, args, stack, &*runtime, None, report).await?;
        anyhow::Ok((runtime, prepared))
    };
    let docker = match try_on(RuntimeKind::Docker).await {
        Err(error) if matches!(error.downcast_ref(), Some(Failure::NoRuntime { .. })) => error,
        settled => return settled,
    };
    report(Event::Note(format!("running as plain processes, since Docker cannot be used: {docker:#}")));
    match try_on(RuntimeKind::Process).await {
        Err(error) if matches!(error.downcast_ref(), Some(Failure::NoRuntime { .. })) => {
            Err(choose::neither(&docker, &error))
        }
        settled => settled,
    }
}

async fn prepare(
    context: &Context,
    args: &UpArgs,
    stack: &Stack,
    runtime: &dyn Runtime,
    known: Option<Inventory>,
    report: Report<'_>,
) -> Result<Prepared> {
    up::prepare(&request(context, args, stack, runtime), known, report, &context.shutdown).await
}

fn request<'a>(context: &'a Context, args: &UpArgs, stack: &'a Stack, runtime: &'a dyn Runtime) -> Up<'a> {
    Up {
        stack,
        runtime,
        paths: &context.paths,
        timeout: args.timeout,
        retain: args.retain,
        accept_data_loss: args.accept_data_loss,
        replace_credentials: args.replace_credentials,
    }
}

fn from_argument(argument: RuntimeArg) -> RuntimeChoice {
    match argument {
        RuntimeArg::Auto => RuntimeChoice::Auto,
        RuntimeArg::Docker => RuntimeChoice::Docker,
        RuntimeArg::Process => RuntimeChoice::Process,
    }
}

fn fixed(choice: RuntimeChoice) -> Option<RuntimeKind> {
    match choice {
        RuntimeChoice::Auto => None,
        RuntimeChoice::Docker => Some(RuntimeKind::Docker),
        RuntimeChoice::Process => Some(RuntimeKind::Process),
    }
}

/// A stack's data lies with its runtime: starting it elsewhere would look as if all were lost.
fn refuse_to_move(stack: &Stack, kind: RuntimeKind, found: Option<&Found>) -> Result<()> {
    let Some(existing) = found.map(|found| found.runtime.kind()).filter(|existing| *existing != kind) else {
        return Ok(());
    };
    let name = &stack.name;
    Err(Failure::Usage {
        cause: format!("stack {name} exists with the {} runtime, and its data with it", existing.as_str()),
        remedy: Remedy::either([
            name.about().remedy(&format!("up --runtime {}", existing.as_str())),
            Remedy::words("a stack of another name: --stack NAME"),
            name.about().remedy("down --volumes").then(" first, which removes its data"),
        ]),
    }
    .into())
}

fn show(context: &Context, stack: &Stack, runtime: &dyn Runtime, ready: &Ready, took: Duration) -> Result<()> {
    let endpoints = &ready.endpoints;
    if context.ui.is_json() {
        return Ui::print_json(&json!({
            "stack": stack.name,
            "runtime": runtime.kind(),
            "was_up": ready.was_up,
            "seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0,
            "created_topics": ready.seeded.created,
            "changed_topics": ready.seeded.changed,
            "kafka": endpoints.kafka,
            "zookeeper": endpoints.zookeeper,
            "mqtt": endpoints.mqtt.to_string(),
            "mqtts": endpoints.mqtts.to_string(),
            "mqtt_ws": endpoints.mqtt_ws.to_string(),
        }));
    }
    let about = stack.name.about();
    let state = if ready.was_up { "was up already; proven ready" } else { "is ready" };
    let lines = [
        format!("\nStack {} {state} in {:.1} s ({}).", stack.name, took.as_secs_f64(), runtime.kind().as_str()),
        format!("  Kafka      {}", endpoints.kafka.join(",")),
        format!("  ZooKeeper  {}", endpoints.zookeeper.join(",")),
        format!("  MQTT       mqtt://{}  mqtts://{}  ws://{}", endpoints.mqtt, endpoints.mqtts, endpoints.mqtt_ws),
        format!("  Topics     {}    Devices {}", stack.topics.len(), stack.devices.len()),
        format!("\nNext: eval \"$({})\"   ·   {}", about.command("env"), about.command("tail emergency.created")),
    ];
    context.ui.say(&lines.join("\n"));
    Ok(())
}
