//! `sosstack up`

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Context, archives, bridges};
use crate::bridge::journal;
use crate::cli::{RuntimeArg, UpArgs};
use crate::event::{Event, Report};
use crate::lifecycle::bridges::Change;
use crate::lifecycle::lock::Lock;
use crate::lifecycle::placed::{self, Placed, Request};
use crate::memo::Memo;
use crate::runtime::choose;
use crate::stack::load::RuntimeChoice;
use crate::stack::{Profile, Stack};

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
    let wanted = bridges::wanted(context, &name, &args.bridges, args.fresh)?;
    let plan = wanted.map(|wanted| bridges::plan(context, &loaded.stack, &wanted)).transpose()?;
    let found = if args.fresh {
        let waiting = bridges::waiting(context, &name)?;
        if waiting > 0 {
            let journaled = bridges::waiting_words(waiting);
            report(Event::Warning(format!("removing stack {name} also removes {journaled}")));
        }
        placed::clear(&context.paths, &name, found, report, &context.shutdown).await?;
        journal::remove(&context.paths.bridge(&name))?;
        None
    } else {
        found
    };
    let stack = &loaded.stack;
    let request = Request {
        stack,
        paths: &context.paths,
        choice,
        kafka_home: args.kafka_home.clone(),
        timeout: args.timeout,
        retain: args.retain,
        accept_data_loss: args.accept_data_loss,
        replace_credentials: args.replace_credentials,
        bridges: plan.as_ref().map_or(Change::Remove, Change::Run),
    };
    let result = placed::up(&request, found, report, &context.shutdown).await;
    let left_nothing = result.is_err() && !context.paths.stack(&name).exists();
    if left_nothing {
        lock.remove();
    }
    if profile.is_some() && context.paths.stack(&name).exists() {
        Memo::update(&context.paths.stack(&name), |memo| memo.profile = profile)?;
    }
    let (runtime, ready) = result?;
    archives::make_in_background(context, &*runtime, &name).await;
    let took = started.elapsed();
    context.ui.conclude(&Placed::of(&name, runtime.kind(), ready, took), |placed| words(placed, stack, took))
}

fn from_argument(argument: RuntimeArg) -> RuntimeChoice {
    match argument {
        RuntimeArg::Auto => RuntimeChoice::Auto,
        RuntimeArg::Docker => RuntimeChoice::Docker,
        RuntimeArg::Process => RuntimeChoice::Process,
    }
}

fn words(placed: &Placed, stack: &Stack, took: Duration) -> String {
    let about = stack.name.about();
    let state = if placed.was_up { "was already up; proven ready" } else { "is ready" };
    let bridges = match placed.bridges.as_slice() {
        [] => String::new(),
        metrics => format!("\n  Bridge     active, with a standby; metrics on {}", metrics.join(", ")),
    };
    [
        format!("\nStack {} {state} in {:.1} s ({}).", placed.stack, took.as_secs_f64(), placed.runtime.as_str()),
        format!("  Kafka      {}", placed.kafka.join(",")),
        format!("  ZooKeeper  {}", placed.zookeeper.join(",")),
        format!("  MQTT       mqtt://{}  mqtts://{}  ws://{}", placed.mqtt, placed.mqtts, placed.mqtt_ws),
        format!("  Topics     {}    Devices {}{bridges}", stack.topics.len(), stack.devices.len()),
        format!("\nNext: eval \"$({})\"   ·   {}", about.command("env"), about.command("tail emergency.created")),
    ]
    .join("\n")
}
