//! `sosstack pub`, `sub` and `tail`

use std::io::Read;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Context;
use crate::address::Address;
use crate::cli::messages::{End, Format, PubArgs, Start, SubArgs, TailArgs};
use crate::endpoints::Endpoints;
use crate::event::Event;
use crate::failure::Failure;
use crate::kafka::consume::From;
use crate::kafka::produce::{self, Record};
use crate::message::Received;
use crate::mqtt::connection::{Connection, Login, Transport};
use crate::mqtt::publish::{self, Publication, Verdict};
use crate::secrets::Accounts;
use crate::stack::StackName;
use crate::tail::{Messages, Watch};
use crate::ui::Ui;
use crate::ui::messages::{Look, Printer};

pub(super) async fn publish(context: &Context, args: &PubArgs) -> Result<()> {
    let address = Address::parse_single(&args.target)?;
    refuse_foreign_options(args, &address)?;
    let payload = payload(&args.payload)?;
    let (stack, endpoints) = context.endpoints().await?;
    let headers = args.headers.clone();
    match address {
        Address::Kafka(topic) => {
            let headers = headers.into_iter().map(|(name, value)| (name, Some(value.into_bytes()))).collect();
            let key = args.key.clone().map(String::into_bytes);
            let record = Record { topic: topic.clone(), key, headers, value: Some(payload) };
            let written = context.shutdown.guard(produce::produce(&endpoints.kafka, record, args.timeout)).await?;
            let (partition, offset) = (written.partition, written.offset);
            if context.ui.is_json() {
                return Ui::print_json(&json!({ "topic": topic, "partition": partition, "offset": offset }));
            }
            context.ui.say(&format!("{topic}[{partition}]@{offset}"));
        }
        Address::Mqtt(topic) => {
            let login = login(context, &stack.name, &endpoints, args.device.as_deref())?;
            let qos = args.qos.unwrap_or(1);
            let message = Publication { topic: topic.clone(), payload, qos, retain: args.retain, headers };
            context.shutdown.guard(publish_mqtt(&endpoints, &login, message, args.timeout)).await?;
            if context.ui.is_json() {
                return Ui::print_json(&json!({ "topic": topic, "qos": qos, "retain": args.retain }));
            }
            context.ui.say(&format!("{topic} (QoS {qos})"));
        }
    }
    Ok(())
}

async fn publish_mqtt(endpoints: &Endpoints, login: &Login, message: Publication, patience: Duration) -> Result<()> {
    let topic = message.topic.clone();
    let mut connection = Connection::open(&endpoints.mqtt, &Transport::Tcp, login, patience).await?;
    let verdict = publish::publish(&mut connection, message, patience).await?;
    connection.close(patience).await?;
    match verdict {
        Verdict::Accepted => Ok(()),
        Verdict::NotAuthorized => Err(Failure::Failed {
            cause: format!("{} may not publish to {topic}; the message was refused", login.username),
            remedy: format!("sosstack device show {} lists what it may", login.username),
        }
        .into()),
        Verdict::Refused(reason) => anyhow::bail!("Mosquitto refused the message to {topic}: {reason}"),
    }
}

/// Options of one broker that the other could not honour: silence would be a lie.
fn refuse_foreign_options(args: &PubArgs, address: &Address) -> Result<()> {
    let (foreign, whose) = match address {
        Address::Kafka(_) => {
            let options = [("--qos", args.qos.is_some()), ("--retain", args.retain), ("--as", args.device.is_some())];
            (options.into_iter().find(|(_, given)| *given), "MQTT")
        }
        Address::Mqtt(_) => ([("--key", args.key.is_some())].into_iter().find(|(_, given)| *given), "Kafka"),
    };
    let Some((option, _)) = foreign else { return Ok(()) };
    let other = if whose == "MQTT" { "Kafka" } else { "MQTT" };
    Err(Failure::Usage {
        cause: format!("{option} is {whose}'s, but {:?} is a {other} topic", args.target),
        remedy: format!("leave {option} out, or say which broker is meant: {}:TOPIC", whose.to_lowercase()),
    }
    .into())
}

fn payload(argument: &str) -> Result<Vec<u8>> {
    if argument != "-" {
        return Ok(argument.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("reading the message from stdin")?;
    Ok(bytes)
}

/// The login of a device, or the backend's.
fn login(context: &Context, name: &StackName, endpoints: &Endpoints, device: Option<&str>) -> Result<Login> {
    let Some(device) = device else { return Ok(Login::service(endpoints)) };
    let accounts = Accounts::read(&context.paths.stack(name))?.context("the stack has no accounts")?;
    let enrolled = accounts.find(device, name)?;
    Ok(Login { username: device.to_owned(), password: enrolled.account.password.clone() })
}

pub(super) async fn subscribe(context: &Context, args: &SubArgs) -> Result<()> {
    let addresses = addresses(&args.targets)?;
    if args.until == Some(End::Now) && addresses.iter().any(|address| matches!(address, Address::Mqtt(_))) {
        return Err(Failure::Usage {
            cause: "--until now is Kafka's: MQTT keeps no past that could end now".to_owned(),
            remedy: "end an MQTT subscription with --count or --timeout".to_owned(),
        }
        .into());
    }
    let wants_envelope = args.format.map_or(context.ui.is_json(), |format| format == Format::Json);
    let look = if wants_envelope { Look::Envelope } else { Look::Raw };
    let (stack, endpoints) = context.endpoints().await?;
    let login = login(context, &stack.name, &endpoints, args.device.as_deref())?;
    let watch = Watch {
        addresses: &addresses,
        endpoints: &endpoints,
        login: &login,
        from: from(args.from),
        until_now: args.until.is_some(),
        qos: args.qos,
    };
    let limits = Limits { count: args.count, timeout: args.timeout };
    show(context, &watch, look, &limits).await
}

pub(super) async fn tail(context: &Context, args: &TailArgs) -> Result<()> {
    let addresses = addresses(&args.targets)?;
    let (_, endpoints) = context.endpoints().await?;
    let login = Login::service(&endpoints);
    let watch = Watch {
        addresses: &addresses,
        endpoints: &endpoints,
        login: &login,
        from: args.since.map_or_else(|| from(args.from), From::Ago),
        until_now: false,
        qos: 2,
    };
    let look = if context.ui.is_json() { Look::Envelope } else { Look::People };
    show(context, &watch, look, &Limits { count: None, timeout: None }).await
}

fn addresses(targets: &[String]) -> Result<Vec<Address>> {
    Ok(targets.iter().map(|target| Address::parse(target)).collect::<Result<_, _>>()?)
}

fn from(start: Start) -> From {
    match start {
        Start::Beginning => From::Beginning,
        Start::Now => From::Now,
        Start::Ago(duration) => From::Ago(duration),
    }
}

/// When to stop by ourselves.
struct Limits {
    count: Option<u64>,
    timeout: Option<Duration>,
}

async fn show(context: &Context, watch: &Watch<'_>, look: Look, limits: &Limits) -> Result<()> {
    if watch.from != From::Now && watch.addresses.iter().any(|address| matches!(address, Address::Mqtt(_))) {
        let words = "MQTT keeps no past: its retained messages come first, then what is published from now on";
        context.ui.report(Event::Note(words.to_owned()));
    }
    let mut messages = context.shutdown.guard(Messages::open(watch)).await?;
    let names: Vec<&str> = watch.addresses.iter().map(Address::name).collect();
    // From here on nothing is missed: scripts wait for this line before they publish.
    context.ui.report(Event::Note(format!("listening to {}", names.join(", "))));
    let shown = print_all(context, &mut messages, look, limits).await;
    messages.close().await;
    shown
}

async fn print_all(context: &Context, messages: &mut Messages, look: Look, limits: &Limits) -> Result<()> {
    let mut printer = Printer::new(look);
    let deadline = limits.timeout.map(|timeout| tokio::time::Instant::now() + timeout);
    let out_of_time = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(out_of_time);
    let mut printed = 0;
    while limits.count.is_none_or(|count| printed < count) && !context.shutdown.is_requested() {
        // Flushed only when nothing more is waiting: one write for many messages of a fast topic.
        let received = if let Some(received) = messages.ready() {
            Some(received)
        } else {
            printer.flush()?;
            tokio::select! {
                received = messages.next() => received,
                () = &mut out_of_time => return time_is_up(limits, printed),
                () = context.shutdown.requested() => return Ok(()),
            }
        };
        match received {
            None => break,
            Some(Ok(Received::Notice(words))) => context.ui.report(Event::Warning(words)),
            Some(Ok(Received::Message(message))) => {
                printer.print(&message)?;
                printed += 1;
            }
            Some(Err(error)) => {
                printer.flush()?;
                return Err(error);
            }
        }
    }
    printer.flush()?;
    Ok(())
}

fn time_is_up(limits: &Limits, printed: u64) -> Result<()> {
    match limits.count {
        None => Ok(()),
        Some(count) => Err(Failure::Failed {
            cause: format!("{printed} of {count} messages came in time"),
            remedy: "a larger --timeout waits longer; --from beginning reads what is there already".to_owned(),
        }
        .into()),
    }
}
