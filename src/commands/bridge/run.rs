//! `sosstack bridge run`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use tokio::sync::watch;

use super::super::{Context, reach};
use super::login::Kept;
use super::owners::Source;
use crate::about::{About, Remedy};
use crate::bridge::map::{Limits, Mapper};
use crate::bridge::routes::Routes;
use crate::bridge::run::attend::{Word, attend};
use crate::bridge::run::happening::Happening;
use crate::bridge::run::health::Health;
use crate::bridge::run::line::Line;
use crate::bridge::run::metrics::Metrics;
use crate::bridge::run::probe::Probe;
use crate::bridge::run::service::Settings;
use crate::cli::bridge::RunArgs;
use crate::event::Event;
use crate::failure::Failure;
use crate::memory;
use crate::reach::{Reach, Who};
use crate::runtime::bridges::bound_log;
use crate::stack::Stack;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &RunArgs) -> Result<()> {
    memory::give_back_at_once();
    let stack = context.load(None, None)?.stack;
    let (mapper, mappers) = watch::channel(Arc::new(mapper(context, args, &stack)?));
    let reach = reach::resolve_as(context, &args.cluster, Who::Bridge).await?;
    let probe = probe(context, args).await?;
    let mut login = Kept::of(context, &stack, &reach);
    let journal = journal(context, args, &stack, &reach.about)?;
    let health = match args.metrics {
        Some(address) => Some(Health::listen(address).await?),
        None => None,
    };
    if let (Some(health), None) = (&health, &args.log_file) {
        context.ui.say(&format!("metrics and health on http://{}/metrics", health.address()?));
    }
    let metrics = Arc::new(Metrics::default());
    let settings = Settings {
        mqtt: reach.mqtt.ok_or_else(Reach::no_mqtt)?,
        kafka: reach.kafka.ok_or_else(Reach::no_kafka)?,
        mapper: mappers,
        share: args.share.clone(),
        journal,
        emergency_status: args.emergency_status,
        journal_max: args.journal_max,
        health,
        metrics: Arc::clone(&metrics),
        owners: owners_as_they_change(context, args, &stack),
        probe,
        give_up: Box::new(give_up),
    };
    let hear = |word| {
        match word {
            Word::Happened(happening) => {
                tell(context, &happening)?;
                login.heed(context, &happening);
            }
            Word::ReadAgain => reload(context, args, &mapper),
            Word::Look => {
                login.look(context);
                context.ui.stand(&counts(&metrics));
                if let Some(log) = &args.log_file {
                    // On a full disk it grows: better than to end.
                    let _ = bound_log(log);
                }
            }
        }
        Ok(())
    };
    let ended = attend(settings, &context.shutdown, hear).await;
    context.ui.say(&counts(&metrics));
    ended
}

/// What presses of the bridge's own need, where they are wanted.
async fn probe(context: &Context, args: &RunArgs) -> Result<Option<Probe>> {
    let Some(every) = args.probe else { return Ok(None) };
    let reach = reach::resolve_as(context, &args.cluster, Who::Probe).await?;
    Ok(Some(Probe { every, access: reach.mqtt.ok_or_else(Reach::no_mqtt)? }))
}

fn mapper(context: &Context, args: &RunArgs, stack: &Stack) -> Result<Mapper> {
    let routes = Routes::load(args.routes.as_deref(), stack)?.with_probe();
    let limits = Limits { mapping: args.jq_timeout, ..Limits::default() };
    let owners = Source::of(context, stack, args.owners.as_deref()).read()?.owners;
    Ok(Mapper::new(routes, owners, limits))
}

/// Invalid routes change nothing.
fn reload(context: &Context, args: &RunArgs, current: &watch::Sender<Arc<Mapper>>) {
    let loaded = context.load(None, None).and_then(|loaded| mapper(context, args, &loaded.stack));
    match loaded {
        Ok(mapper) => {
            context.ui.say("the routes were reloaded");
            current.send_replace(Arc::new(mapper));
        }
        Err(error) => {
            context.ui.report(Event::Warning(format!("the routes are unchanged: {error:#}")));
        }
    }
}

/// Reads owners again whenever what says them has changed.
fn owners_as_they_change(context: &Context, args: &RunArgs, stack: &Stack) -> Box<dyn FnMut(&Mapper) + Send> {
    let source = Source::of(context, stack, args.owners.as_deref());
    // Once more at the first look: what changed since the first reading must not be missed.
    let mut seen = None;
    Box::new(move |mapper| {
        let now = Some(source.version());
        // Parts that are still being replaced would take the owner from some devices for a moment.
        if now != seen
            && let Ok(read) = source.read()
            && read.is_whole
        {
            seen = now;
            mapper.set_owners(read.owners);
        }
    })
}

fn journal(context: &Context, args: &RunArgs, stack: &Stack, about: &About) -> Result<PathBuf> {
    match &args.journal {
        Some(journal) => Ok(journal.clone()),
        None if about.is_elsewhere() => Err(Failure::Usage {
            cause: format!("{about} has no journal yet"),
            remedy: Remedy::words("choose its directory: --journal DIR"),
        }
        .into()),
        None => Ok(context.paths.stack(&stack.name).join("bridge")),
    }
}

fn tell(context: &Context, happening: &Happening) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print(&format!("{}\n", serde_json::to_string(&Line::of(happening, Timestamp::now()))?));
    }
    let words = happening.to_string();
    context.ui.report(if happening.is_warning() { Event::Warning(words) } else { Event::Note(words) });
    Ok(())
}

fn counts(metrics: &Metrics) -> String {
    let counts = metrics.counts();
    format!(
        "received {} · delivered {} · in flight {} · in the journal {} · dead letters {} · dropped {}",
        counts.received, counts.delivered, counts.in_flight, counts.journaled, counts.dead_letters, counts.dropped
    )
}

/// The standby takes over as soon as this process is gone.
fn give_up() {
    let words = anyhow::anyhow!("the bridge has been stuck for 10 s and exits, so that its standby takes over");
    Ui::new(crate::ui::Manner { quiet: false, json: false }).fail(&words);
    std::process::exit(1);
}
