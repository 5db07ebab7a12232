//! `sosstack pub`

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::reach::Reach;
use crate::about::{About, Remedy};
use crate::address::Address;
use crate::cli::messages::PubArgs;
use crate::failure::Failure;
use crate::filter::Query;
use crate::kafka::produce::{self, Pace};
use crate::message::mqtt;
use crate::mqtt::publish;
use crate::publish::input::{Input, Routes, Source, Template};
use crate::sending::ledger::render_refused;
use crate::sending::{Batches, Ledger, next_batch};
use crate::ui::Ui;

/// Batches between stdin and a publisher.
const QUEUE: usize = 16;
/// How long publishers may take to end after an interruption.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long lines wait for others to travel with.
const LINGER: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context, args: &PubArgs) -> Result<()> {
    let target = args.target.as_deref().map(Address::parse_single).transpose()?;
    if let Some(target) = &target {
        refuse_foreign_options(args, target)?;
    }
    let input = input(context, args, target.clone()).await?;
    let reach = Reach::resolve(context, &args.cluster, args.device.as_deref()).await?;
    let ledger = Arc::new(Ledger::default());
    let stop = CancellationToken::new();
    let sent = send(context, args, &reach, input, &ledger, &stop).await;
    let interrupted = context.shutdown.is_requested();
    let total = sent?;
    report(context, args, target.as_ref(), &ledger, &Sent { total, interrupted, about: &reach.about })
}

async fn input(context: &Context, args: &PubArgs, target: Option<Address>) -> Result<Input> {
    let source = match args.payload.clone() {
        Some(payload) => Source::Payload(context.shutdown.guard_blocking(move || payload_bytes(&payload)).await?),
        None if args.envelope => Source::Envelopes,
        None => Source::Lines,
    };
    let headers =
        args.headers.iter().map(|(name, value)| (name.clone().into_bytes(), Some(value.clone().into_bytes())));
    let template = Template {
        target,
        key: args.key.clone().map(Bytes::from),
        key_from: args.key_from.as_deref().map(|text| Query::compile("--key-from", text)).transpose()?,
        headers: Arc::new(headers.collect()),
        qos: args.qos,
        retain: args.retain,
    };
    Ok(Input { source, template, rate: args.rate, repeat: args.repeat })
}

fn payload_bytes(argument: &str) -> Result<Bytes> {
    if let Some(file) = argument.strip_prefix('@') {
        let bytes = std::fs::read(file).with_context(|| format!("reading the message from {file}"))?;
        return Ok(bytes.into());
    }
    if argument != "-" {
        return Ok(argument.as_bytes().to_vec().into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("reading the message from stdin")?;
    Ok(bytes.into())
}

/// Moves everything from the input to the brokers; how many messages there were.
async fn send(
    context: &Context,
    args: &PubArgs,
    reach: &Reach,
    input: Input,
    ledger: &Arc<Ledger>,
    stop: &CancellationToken,
) -> Result<u64> {
    let many = args.payload.is_none() || args.repeat > 1;
    let patience = args.timeout.unwrap_or(Duration::from_secs(if many { 60 } else { 10 }));
    let linger = if many && args.rate.is_none() { LINGER } else { Duration::ZERO };
    let pace = Pace { patience, linger, codec: reach.codec };
    let (kafka, to_kafka) = tokio::sync::mpsc::channel(QUEUE);
    let (mqtt, to_mqtt) = tokio::sync::mpsc::channel(QUEUE);
    let (done, read) = tokio::sync::oneshot::channel();
    let (book, stopped) = (Arc::clone(ledger), stop.clone());
    let read_input = move || {
        let total = input.run(Routes { kafka, mqtt }, &book, &stopped);
        let _ = done.send(total);
    };
    // A thread that nobody waits for: stdin cannot be told to stop.
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read_input).context("starting to read")?;
    let publishers = async {
        tokio::try_join!(
            to_brokers_kafka(reach, to_kafka, ledger, pace, stop),
            to_brokers_mqtt(context, reach, to_mqtt, ledger, patience, stop),
        )
    };
    tokio::pin!(publishers);
    tokio::select! {
        sent = &mut publishers => sent.map(drop)?,
        () = context.shutdown.requested() => {
            stop.cancel();
            // Each has an end of its own to come to; one that cannot, as its server stands still, is left behind.
            if let Ok(ended) = tokio::time::timeout(FAREWELL, publishers).await {
                ended?;
            }
        }
    }
    if context.shutdown.is_requested() {
        return Ok(0);
    }
    read.await.context("reading messages ended early")?
}

async fn to_brokers_kafka(
    reach: &Reach,
    mut batches: Batches,
    ledger: &Arc<Ledger>,
    pace: Pace,
    stop: &CancellationToken,
) -> Result<()> {
    match &reach.kafka {
        Some(access) => produce::produce(access, batches, Arc::clone(ledger), pace, stop.clone()).await,
        None if next_batch(&mut batches, stop).await.is_some() => Err(Reach::no_kafka()),
        None => Ok(()),
    }
}

async fn to_brokers_mqtt(
    context: &Context,
    reach: &Reach,
    mut batches: Batches,
    ledger: &Arc<Ledger>,
    patience: Duration,
    stop: &CancellationToken,
) -> Result<()> {
    let Some(access) = reach.mqtt.clone() else {
        return if next_batch(&mut batches, stop).await.is_some() { Err(Reach::no_mqtt()) } else { Ok(()) };
    };
    let (ledger, stop) = (Arc::clone(ledger), stop.clone());
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    // On a runtime of one thread: with several, every acknowledgement wakes one thread to wake another.
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing MQTT")?;
        let report = |event| drop(say.send(event));
        let published = runtime.block_on(publish::publish(&access, batches, &ledger, patience, &stop, &report));
        // A name server that does not answer is not waited for.
        runtime.shutdown_background();
        published
    };
    let published = tokio::task::spawn_blocking(work);
    while let Some(event) = said.recv().await {
        context.ui.report(event);
    }
    published.await.context("running the MQTT publisher")?
}

/// How far the input came.
struct Sent<'a> {
    total: u64,
    interrupted: bool,
    /// To whom.
    about: &'a About,
}

/// Done, or which messages were not acknowledged.
fn report(context: &Context, args: &PubArgs, target: Option<&Address>, ledger: &Ledger, sent: &Sent<'_>) -> Result<()> {
    let Sent { total, interrupted, about } = *sent;
    let refused = ledger.refused();
    let lost: u64 = refused.iter().map(|(_, ranges)| ranges.count()).sum();
    let accepted = ledger.accepted();
    let topic = target.map_or("their topics", Address::name);
    let single = args.payload.is_some() && args.repeat == 1;
    if interrupted {
        let (noun, verb) = if accepted == 1 { ("message", "was") } else { ("messages", "were") };
        let words = format!("interrupted: {accepted} {noun} to {topic} {verb} acknowledged");
        context.ui.say(&format!("{words}{}", render_refused(&refused)));
        return Err(context.shutdown.interrupted().into());
    }
    // What neither was acknowledged nor refused would be a defect of ours, and no success.
    let missing = total.saturating_sub(accepted + lost);
    if lost + missing > 0 {
        let cause = match refused.first() {
            Some((reason, _)) if single => format!("the message to {topic} was refused: {reason}"),
            _ => format!("{} of {total} messages were not acknowledged{}", lost + missing, render_refused(&refused)),
        };
        let remedy = match args.device.as_deref() {
            Some(device) => about.remedy(&format!("device show {device}")).then(" lists the topics that it reaches"),
            None if about.is_elsewhere() => Remedy::words("what was acknowledged need not be sent again"),
            None => about.remedy("status").then("; what was acknowledged need not be sent again"),
        };
        return Err(Failure::Failed { cause, remedy }.into());
    }
    summary(context, args, target, ledger, single)
}

fn summary(context: &Context, args: &PubArgs, target: Option<&Address>, ledger: &Ledger, single: bool) -> Result<()> {
    let (partition, offset) = ledger.place();
    let qos = args.qos.unwrap_or(1);
    let accepted = ledger.accepted();
    let (text, body) = match target {
        Some(Address::Kafka(topic)) if single => (
            format!("{topic}[{partition}]@{offset}"),
            json!({ "topic": topic, "partition": partition, "offset": offset }),
        ),
        Some(Address::Mqtt(topic)) if single => {
            (format!("{topic} (QoS {qos})"), json!({ "topic": topic, "qos": qos, "retain": args.retain }))
        }
        target => {
            let topic = target.map(Address::name);
            let noun = if accepted == 1 { "message" } else { "messages" };
            let text = format!("{accepted} {noun} to {}, each acknowledged", topic.unwrap_or("their topics"));
            (text, json!({ "topic": topic, "messages": accepted }))
        }
    };
    if context.ui.is_json() {
        return Ui::print_json(&body);
    }
    context.ui.say(&text);
    Ok(())
}

/// Options of one broker that the other could not honour: silence would be a lie.
fn refuse_foreign_options(args: &PubArgs, address: &Address) -> Result<()> {
    let (foreign, whose) = match address {
        Address::Kafka(_) => {
            let options = [("--qos", args.qos.is_some()), ("--retain", args.retain), ("--as", args.device.is_some())];
            (options.into_iter().find(|(_, given)| *given), "MQTT")
        }
        Address::Mqtt(_) => {
            let options = [("--key", args.key.is_some()), ("--key-from", args.key_from.is_some())];
            (options.into_iter().find(|(_, given)| *given), "Kafka")
        }
    };
    let Some((option, _)) = foreign else { return refuse_headers(args, address) };
    let other = if whose == "MQTT" { "Kafka" } else { "MQTT" };
    let target = args.target.as_deref().unwrap_or_default();
    Err(Failure::Usage {
        cause: format!("{option} is {whose}'s, but {target:?} is a {other} topic"),
        remedy: Remedy::words(format!(
            "leave {option} out, or say which broker is meant: {}:TOPIC",
            whose.to_lowercase()
        )),
    }
    .into())
}

/// Headers that no MQTT server takes.
fn refuse_headers(args: &PubArgs, address: &Address) -> Result<()> {
    if matches!(address, Address::Kafka(_)) {
        return Ok(());
    }
    let headers = args.headers.iter().map(|(name, value)| (name.as_bytes().into(), Some(value.as_bytes()))).collect();
    let Some(cause) = mqtt::message_problem(&headers, None) else { return Ok(()) };
    let remedy = Remedy::words("put it into the message itself: what the payload of MQTT holds is free");
    Err(Failure::Usage { cause, remedy }.into())
}
