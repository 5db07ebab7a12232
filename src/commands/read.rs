//! `sosstack sub` and `sosstack tail`

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::reach::Reach;
use crate::about::Remedy;
use crate::address::Address;
use crate::cli::messages::{FilterArgs, Form, SubArgs, TailArgs};
use crate::event::Event;
use crate::failure::Failure;
use crate::filter::{Filter, Wishes};
use crate::kafka::plan::Membership;
use crate::memory;
use crate::message::View;
use crate::message::envelope::Writer;
use crate::place::{From, Until};
use crate::reading::{Reading, Watch};
use crate::stream::{PATIENCE, Tell, Told, Wanted};
use crate::ui::messages::{Counts, Look, People, Printer, Template, on_closed_stdout};

/// How long readers may take to leave after an interruption.
const FAREWELL: Duration = Duration::from_secs(1);

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
    let reach = Reach::resolve(context, &args.cluster, args.device.as_deref()).await?;
    let group = args.group.clone().map(|group| Membership { group, ack: args.ack, join: args.join });
    let watch = Watch {
        addresses: &addresses,
        kafka: reach.kafka.as_ref(),
        mqtt: reach.mqtt.as_ref(),
        from: args.from,
        until: args.until.unwrap_or(Until::Never),
        partition: args.partition,
        for_people: false,
        merged: false,
        last: None,
        group,
        strict: args.until.is_some() || args.count.is_some(),
        qos: args.qos,
        patience: patience(args.timeout),
    };
    let limits = Limits::new(args.count, args.timeout);
    show(context, &watch, filter, Output::Messages(Printer::new(look)), &limits).await
}

pub(super) async fn tail(context: &Context, args: &TailArgs) -> Result<()> {
    memory::give_back_at_once();
    let everything = ["*".to_owned(), "#".to_owned()];
    let addresses = addresses(if args.all { &everything } else { &args.targets })?;
    let filter = filter(&args.filter)?;
    let output = if args.stats {
        Output::Counts(Counts::new(context.ui.is_json()))
    } else {
        Output::Messages(Printer::new(match &args.format {
            Some(template) => Look::Template(Template::parse(template)?),
            None if context.ui.is_json() => Look::Envelope(Writer::default()),
            None => Look::People(Box::new(People::new(args.pretty))),
        }))
    };
    let reach = Reach::resolve(context, &args.cluster, None).await?;
    let from = args.since.unwrap_or(args.from);
    let watch = Watch {
        addresses: &addresses,
        kafka: reach.kafka.as_ref(),
        mqtt: reach.mqtt.as_ref(),
        from,
        until: Until::Never,
        partition: None,
        for_people: true,
        merged: from != From::Now || args.last.is_some(),
        last: args.last,
        group: None,
        strict: false,
        qos: 2,
        patience: patience(args.timeout),
    };
    show(context, &watch, filter, output, &Limits::new(None, args.timeout)).await
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
            "--until is Kafka's: MQTT keeps no past that could end",
            "end an MQTT subscription with --count or --timeout",
        )),
        Some((option, _)) => Err(usage(
            &format!("{option} is Kafka's, but {:?} is an MQTT topic filter", filter.name()),
            &format!("leave {option} out, or read each broker by itself"),
        )),
    }
}

/// How long a server may take to let us in: connecting is part of --timeout.
fn patience(timeout: Option<Duration>) -> Duration {
    timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE))
}

/// When to stop by ourselves.
struct Limits {
    count: Option<u64>,
    deadline: Option<Instant>,
}

impl Limits {
    /// From now on.
    fn new(count: Option<u64>, timeout: Option<Duration>) -> Self {
        Self { count, deadline: timeout.map(|timeout| Instant::now() + timeout) }
    }
}

enum Output {
    Messages(Printer),
    /// How many come in each topic.
    Counts(Counts),
}

/// Shared by the readers' threads.
struct Screen {
    output: Output,
    left: Option<u64>,
    shown: u64,
    failed: Option<anyhow::Error>,
}

impl Screen {
    fn show(&mut self, message: &View<'_>) -> ControlFlow<()> {
        if self.left == Some(0) || self.failed.is_some() {
            return ControlFlow::Break(());
        }
        match &mut self.output {
            Output::Counts(counts) => counts.add(&message.topic),
            Output::Messages(printer) => {
                if let Err(error) = printer.print(message) {
                    self.failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        self.shown += 1;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                let _ = self.flush();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Shows the rates of the last second.
    fn tick(&mut self) {
        if let Output::Counts(counts) = &mut self.output {
            self.failed = counts.show().err();
        }
    }

    /// Breaks off when nobody can see it any more.
    fn flush(&mut self) -> ControlFlow<()> {
        if let (Output::Messages(printer), None) = (&mut self.output, &self.failed) {
            self.failed = printer.flush().err();
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn show(context: &Context, watch: &Watch<'_>, filter: Filter, output: Output, limits: &Limits) -> Result<()> {
    if watch.from != From::Now && watch.addresses.iter().any(|address| matches!(address, Address::Mqtt(_))) {
        let words = "MQTT keeps no past: its retained messages come first, then what is published from now on";
        context.ui.report(Event::Note(words.to_owned()));
    }
    if limits.count == Some(0) {
        return Ok(());
    }
    let counts = matches!(output, Output::Counts(_));
    let screen = Arc::new(Mutex::new(Screen { output, left: limits.count, shown: 0, failed: None }));
    let filter = Arc::new(filter);
    // Cancelled by whoever has seen enough.
    let enough = CancellationToken::new();
    let (notices, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell: Tell = {
        let (screen, enough, filter, notices) = (screen.clone(), enough.clone(), filter.clone(), notices.clone());
        Arc::new(move |told| {
            let flow = match told {
                Told::Message(message) => lock(&screen).show(message),
                Told::Idle => {
                    if let Some(words) = unfit(&filter) {
                        let _ = notices.send(words);
                    }
                    lock(&screen).flush()
                }
                Told::Notice(words) => {
                    let _ = notices.send(words);
                    ControlFlow::Continue(())
                }
            };
            if flow.is_break() {
                enough.cancel();
            }
            flow
        })
    };
    let wanted: Wanted = if filter.is_empty() {
        Arc::new(|_| true)
    } else {
        let filter = Arc::clone(&filter);
        Arc::new(move |message| filter.wants(message))
    };
    let mut reading = context.shutdown.guard(Reading::open(watch, &wanted, &tell)).await?;
    // From here on nothing is missed: scripts wait for this line before they publish.
    context.ui.report(Event::Note(format!("listening to {}", listed(&reading.names))));
    let closed = enough.clone();
    on_closed_stdout(Arc::new(move || closed.cancel()));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut is_late = false;
    let read = loop {
        tokio::select! {
            read = reading.finished() => break read,
            () = enough.cancelled() => break Ok(()),
            () = context.shutdown.requested() => break Ok(()),
            () = out_of_time(limits.deadline) => {
                is_late = true;
                break Ok(());
            }
            Some(words) = heard.recv() => context.ui.report(Event::Warning(words)),
            _ = tick.tick(), if counts => lock(&screen).tick(),
        }
    };
    reading.close(if context.shutdown.is_requested() { FAREWELL } else { PATIENCE }).await;
    while let Some(words) = heard.try_recv().ok().or_else(|| unfit(&filter)) {
        context.ui.report(Event::Warning(words));
    }
    finish(&screen, read, is_late, limits)
}

/// That the expression does not fit some messages; said once.
fn unfit(filter: &Filter) -> Option<String> {
    let problem = filter.take_problem()?;
    Some(format!("--where cannot be applied to some messages: {problem}"))
}

async fn out_of_time(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What was received is printed whatever ended the reading.
fn finish(screen: &Mutex<Screen>, read: Result<()>, is_late: bool, limits: &Limits) -> Result<()> {
    let mut screen = lock(screen);
    let _ = screen.flush();
    if let Some(error) = screen.failed.take() {
        return Err(error);
    }
    read?;
    match limits.count {
        Some(count) if is_late && screen.shown < count => Err(Failure::Failed {
            cause: format!("{} of {count} messages came in time", screen.shown),
            remedy: Remedy::words("a larger --timeout waits longer; --from beginning reads what is there already"),
        }
        .into()),
        _ => Ok(()),
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{text} and {} more", names.len() - SHOWN) } else { text }
}
