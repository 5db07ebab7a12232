//! `sosstack sub` and `sosstack tail`

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use super::{Context, reach};
use crate::about::Remedy;
use crate::address::Address;
use crate::cli::messages::{FilterArgs, Form, SubArgs, TailArgs};
use crate::event::Event;
use crate::failure::Failure;
use crate::filter::{Filter, Wishes};
use crate::kafka::plan::Membership;
use crate::memory;
use crate::message::envelope::Writer;
use crate::place::{From, Until};
use crate::reading::{Ended, Heard, Limits, Session, Sink, Watch};
use crate::stream::PATIENCE;
use crate::ui::messages::{Counts, Look, People, Printer, Template, on_closed_stdout};

pub(super) async fn subscribe(context: &Context, args: &SubArgs) -> Result<()> {
    let addresses = addresses(&args.targets)?;
    refuse_foreign_options(args, &addresses)?;
    let look = match (args.form, &args.format) {
        (Some(Form::Template) | None, Some(template)) => Look::Template(Template::parse(template)?),
        (Some(Form::Template), None) => return Err(usage("-o template needs --format", "--format '{time} {value}'")),
        (Some(_), Some(_)) => return Err(usage("--format is for -o template", "leave out one of them")),
        (Some(Form::Json), None) => Look::Envelope(Writer::default()),
        (None, None) if context.ui.is_json() => Look::Envelope(Writer::default()),
        (Some(Form::Raw) | None, None) => Look::Raw,
    };
    let filter = filter(&args.filter)?;
    let reach = reach::resolve(context, &args.cluster, args.device.as_deref()).await?;
    let group = args.group.clone().map(|group| Membership { group, ack: args.ack, join: args.join });
    let watch = Watch {
        from: args.from,
        until: args.until.unwrap_or(Until::Never),
        partition: args.partition,
        group,
        strict: args.until.is_some() || args.count.is_some(),
        qos: args.qos,
        patience: patience(args.timeout),
        ..Watch::of(&addresses, reach.kafka.as_ref(), reach.mqtt.as_ref())
    };
    if args.count == Some(0) {
        return Ok(());
    }
    let limits = Limits { count: args.count, timeout: args.timeout, ..Limits::default() };
    let ended = read(context, &watch, filter, limits, printing(Printer::new(look))).await?;
    match args.count {
        Some(count) if ended.timed_out && ended.messages < count => Err(too_few(ended.messages, count)),
        _ => Ok(()),
    }
}

pub(super) async fn tail(context: &Context, args: &TailArgs) -> Result<()> {
    memory::give_back_at_once();
    let everything = ["*".to_owned(), "#".to_owned()];
    let addresses = addresses(if args.all { &everything } else { &args.targets })?;
    let filter = filter(&args.filter)?;
    let look = match &args.format {
        Some(template) => Look::Template(Template::parse(template)?),
        None if context.ui.is_json() => Look::Envelope(Writer::default()),
        None => Look::People(Box::new(People::new(args.pretty))),
    };
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let from = args.since.unwrap_or(args.from);
    let watch = Watch {
        from,
        for_people: true,
        merged: from != From::Now || args.last.is_some(),
        last: args.last,
        patience: patience(args.timeout),
        ..Watch::of(&addresses, reach.kafka.as_ref(), reach.mqtt.as_ref())
    };
    let limits = Limits { timeout: args.timeout, ..Limits::default() };
    if args.stats {
        return count(context, &watch, filter, limits).await;
    }
    read(context, &watch, filter, limits, printing(Printer::new(look))).await.map(drop)
}

fn addresses(targets: &[String]) -> Result<Vec<Address>> {
    Ok(targets.iter().map(|target| Address::parse(target)).collect::<Result<_, _>>()?)
}

fn filter(args: &FilterArgs) -> Result<Filter, Failure> {
    Filter::new(&Wishes {
        query: args.query.as_deref(),
        grep: args.grep.as_deref(),
        ignore_case: args.ignore_case,
        key: args.key.as_deref(),
        headers: &args.headers,
    })
}

fn usage(cause: &str, remedy: &str) -> anyhow::Error {
    Failure::Usage { cause: cause.to_owned(), remedy: Remedy::words(remedy) }.into()
}

/// What MQTT cannot do, it is not asked for in silence.
fn refuse_foreign_options(args: &SubArgs, addresses: &[Address]) -> Result<()> {
    let Some(filter) = addresses.iter().find(|address| matches!(address, Address::Mqtt(_))) else { return Ok(()) };
    let options = [
        ("--until", args.until.is_some()),
        ("--group", args.group.is_some()),
        ("--partition", args.partition.is_some()),
    ];
    match options.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some(("--until", _)) => Err(usage(
            "--until is for Kafka: MQTT keeps no history",
            "end an MQTT subscription with --count or --timeout",
        )),
        Some((option, _)) => Err(usage(
            &format!("{option} is for Kafka, but {:?} is an MQTT topic filter", filter.name()),
            &format!("leave out {option}, or read from each broker separately"),
        )),
    }
}

/// How long a server may take to let us in: connecting is part of --timeout.
fn patience(timeout: Option<Duration>) -> Duration {
    timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE))
}

/// Prints what is wanted until it ends.
async fn read(context: &Context, watch: &Watch<'_>, filter: Filter, limits: Limits, sink: Sink) -> Result<Ended> {
    let session = open(context, watch, filter, limits, sink).await?;
    session.until_end(&|event| context.ui.report(event), &context.shutdown).await
}

async fn open(context: &Context, watch: &Watch<'_>, filter: Filter, limits: Limits, sink: Sink) -> Result<Session> {
    let closed = limits.enough.clone();
    let report = |event| context.ui.report(event);
    let session = Session::open(watch, filter, limits, sink, &report, &context.shutdown).await?;
    // From here on nothing is missed: scripts wait for this line before they publish.
    context.ui.report(Event::Note(format!("listening to {}", listed(session.names()))));
    on_closed_stdout(Arc::new(move || closed.cancel()));
    Ok(session)
}

fn printing(mut printer: Printer) -> Sink {
    Box::new(move |heard| match heard {
        Heard::Message(message) => printer.print(message),
        Heard::Idle => printer.flush(),
    })
}

/// Shows every second how many messages come in each topic.
async fn count(context: &Context, watch: &Watch<'_>, filter: Filter, limits: Limits) -> Result<()> {
    let counts = Arc::new(Mutex::new(Counts::new(context.ui.is_json())));
    let counted = Arc::clone(&counts);
    let sink: Sink = Box::new(move |heard| {
        if let Heard::Message(message) = heard {
            counted.lock().unwrap_or_else(PoisonError::into_inner).add(&message.topic);
        }
        Ok(())
    });
    let enough = limits.enough.clone();
    let session = open(context, watch, filter, limits, sink).await?;
    let report = |event| context.ui.report(event);
    let read = session.until_end(&report, &context.shutdown);
    let shown = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tick.tick().await;
            if let Err(error) = counts.lock().unwrap_or_else(PoisonError::into_inner).show() {
                return error;
            }
        }
    };
    tokio::pin!(read);
    tokio::select! {
        ended = &mut read => ended.map(drop),
        error = shown => {
            enough.cancel();
            let _ = read.await;
            Err(error)
        }
    }
}

fn too_few(came: u64, wanted: u64) -> anyhow::Error {
    Failure::Failed {
        cause: format!("{came} of {wanted} messages arrived in time"),
        remedy: Remedy::words("wait longer with --timeout, or read existing messages with --from beginning"),
    }
    .into()
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{text} and {} more", names.len() - SHOWN) } else { text }
}
