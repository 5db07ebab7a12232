//! `sosstack pub`

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, reach};
use crate::about::{About, Remedy};
use crate::address::Address;
use crate::cli::messages::PubArgs;
use crate::failure::Failure;
use crate::filter::Query;
use crate::message::mqtt;
use crate::publish::input::{Input, Source, Template};
use crate::publish::{self, Sent, Supply, Terms};
use crate::sending::ledger::render_refused;

/// How long lines wait for others to travel with.
const LINGER: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &Context, args: &PubArgs) -> Result<()> {
    let target = args.target.as_deref().map(Address::parse_single).transpose()?;
    if let Some(target) = &target {
        refuse_foreign_options(args, target)?;
    }
    let input = input(context, args, target.clone()).await?;
    let reach = reach::resolve(context, &args.cluster, args.device.as_deref()).await?;
    let many = args.payload.is_none() || args.repeat > 1;
    let terms = Terms {
        patience: args.timeout.unwrap_or(Duration::from_secs(if many { 60 } else { 10 })),
        linger: if many && args.rate.is_none() { LINGER } else { Duration::ZERO },
    };
    let report = |event| context.ui.report(event);
    let sent = publish::send(&reach, Supply::Input(input), terms, &report, &context.shutdown).await?;
    conclude(context, args, target.as_ref(), &sent, &reach.about)
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

/// Done, or which messages were not acknowledged.
fn conclude(context: &Context, args: &PubArgs, target: Option<&Address>, sent: &Sent, about: &About) -> Result<()> {
    let topic = target.map_or("their topics", Address::name);
    let single = args.payload.is_some() && args.repeat == 1;
    let refused = render_refused(&sent.refused);
    if sent.interrupted {
        let (noun, verb) = if sent.accepted == 1 { ("message", "was") } else { ("messages", "were") };
        context.ui.say(&format!("interrupted: {} {noun} to {topic} {verb} acknowledged{refused}", sent.accepted));
        return Err(context.shutdown.interrupted().into());
    }
    if sent.lost() > 0 {
        let cause = match sent.refused.first() {
            Some((reason, _)) if single => format!("the message to {topic} was refused: {reason}"),
            _ => format!("{} of {} messages were not acknowledged{refused}", sent.lost(), sent.total),
        };
        let remedy = match args.device.as_deref() {
            Some(device) => about.remedy(&format!("device show {device}")).then(" lists the topics that it reaches"),
            None if about.is_elsewhere() => Remedy::words("acknowledged messages need not be sent again"),
            None => about.remedy("status").then("; acknowledged messages need not be sent again"),
        };
        return Err(Failure::Failed { cause, remedy }.into());
    }
    context.ui.conclude(&published(args, target, sent, single), Published::words)
}

fn published(args: &PubArgs, target: Option<&Address>, sent: &Sent, single: bool) -> Published {
    let (partition, offset) = sent.place;
    match target {
        Some(Address::Kafka(topic)) if single => Published::Kafka { topic: topic.clone(), partition, offset },
        Some(Address::Mqtt(topic)) if single => {
            Published::Mqtt { topic: topic.clone(), qos: args.qos.unwrap_or(1), retain: args.retain }
        }
        target => Published::Many { topic: target.map(|target| target.name().to_owned()), messages: sent.accepted },
    }
}

/// The result of `pub`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Published {
    /// One message to Kafka, and where it was written.
    Kafka { topic: String, partition: i32, offset: i64 },
    /// One message to MQTT, and how it was sent.
    Mqtt { topic: String, qos: u8, retain: bool },
    /// Several; None where each went to a topic of its own.
    Many { topic: Option<String>, messages: u64 },
}

impl Published {
    fn words(&self) -> String {
        match self {
            Self::Kafka { topic, partition, offset } => format!("{topic}[{partition}]@{offset}"),
            Self::Mqtt { topic, qos, .. } => format!("{topic} (QoS {qos})"),
            Self::Many { topic, messages } => {
                let noun = if *messages == 1 { "message" } else { "messages" };
                let topic = topic.as_deref().unwrap_or("their topics");
                format!("{messages} {noun} to {topic}, each acknowledged")
            }
        }
    }
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
        cause: format!("{option} is for {whose}, but {target:?} is a {other} topic"),
        remedy: Remedy::words(format!("leave out {option}, or name the broker: {}:TOPIC", whose.to_lowercase())),
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
    let remedy = Remedy::words("put it into the message itself: an MQTT payload may hold anything");
    Err(Failure::Usage { cause, remedy }.into())
}
