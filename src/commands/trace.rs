//! `sosstack trace`

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;

use super::trace_text::text;
use super::{Context, reach};
use crate::about::{About, Remedy};
use crate::alarm;
use crate::bridge::journal;
use crate::cli::trace::{TraceArgs, TraceCommand, TracePanicArgs};
use crate::failure::Failure;
use crate::observe::Bridges;
use crate::place::From;
use crate::reach::Reach;
use crate::runtime::bridges::Hosted;
use crate::stack::device::id_problem;
use crate::stack::topic::DEAD_LETTERS;
use crate::trace::judge;
use crate::trace::live::{self, Press};
use crate::trace::missing::{Bridging, Case};
use crate::trace::past::{self, Past};
use crate::trace::{Kind, Trace, told};

/// How long a bridge may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn run(context: &Context, args: &TraceArgs) -> Result<()> {
    match (&args.command, &args.id) {
        (Some(TraceCommand::Panic(_)), id) if id.is_some() || args.from.is_some() => {
            let cause = "an ID and --from are for past events: trace panic presses now".to_owned();
            Err(Failure::Usage { cause, remedy: Remedy::words("leave them out") }.into())
        }
        (Some(TraceCommand::Panic(panic)), _) => press(context, args, panic).await,
        (None, id) => happened(context, args, id.as_deref().unwrap_or_default()).await,
    }
}

async fn press(context: &Context, TraceArgs { cluster, topic, .. }: &TraceArgs, args: &TracePanicArgs) -> Result<()> {
    let elsewhere = reach::named_elsewhere(context, cluster)?;
    if let Some(about) = &elsewhere {
        alarm::ensure_meant(about, args.real_emergencies, "a panic button would be pressed", "presses it")?;
    }
    let device = args.device.as_str();
    if let Some(problem) = id_problem(device) {
        let remedy = About::this_machine().remedy("device list").then(" shows a stack's devices");
        return Err(Failure::Usage { cause: format!("{device:?} is not a valid device id: {problem}"), remedy }.into());
    }
    let reach = reach::resolve(context, cluster, None).await?;
    let (kafka, subscriber) = both(&reach)?;
    let own = match elsewhere {
        Some(_) => None,
        None => reach::resolve(context, cluster, Some(device)).await?.mqtt,
    };
    let press = Press {
        device,
        topic,
        dead_letters: DEAD_LETTERS,
        timeout: args.timeout,
        kafka,
        sender: own.as_ref().unwrap_or(subscriber),
        subscriber,
    };
    let heard = live::press(&press, &|event| context.ui.report(event)).await?;
    let bridging = match heard.record(topic) {
        None if !reach.about.is_elsewhere() => {
            bridging(context).await.unwrap_or_else(|error| Bridging::Nobody(format!("{error:#}")))
        }
        _ => Bridging::Unknown,
    };
    let case = Case {
        about: &reach.about,
        device,
        subscriber: subscriber.username(),
        topic,
        timeout: args.timeout,
        bridging: &bridging,
    };
    let trace = judge::of_press(&case, &heard);
    context.ui.show(&trace, |trace| text(trace, false))?;
    verdict(&trace).map_or(Ok(()), |failure| Err(failure.into()))
}

fn both(reach: &Reach) -> Result<(&crate::kafka::access::Access, &crate::mqtt::access::Access)> {
    Ok((reach.kafka.as_ref().ok_or_else(Reach::no_kafka)?, reach.mqtt.as_ref().ok_or_else(Reach::no_mqtt)?))
}

/// What the bridges of the local stack say.
async fn bridging(context: &Context) -> Result<Bridging> {
    let name = context.load(None, None)?.stack.name;
    let bridges = Bridges::take(&Hosted::of(&context.paths, &name), PATIENCE).await?;
    let own: Vec<u32> = bridges.0.iter().filter_map(|seen| seen.instance.as_ref()?.pid).collect();
    Ok(Bridging::of(&bridges, journal::removable(&context.paths.bridge(&name), &own).is_err()))
}

/// What did not come, as the failure of the command.
fn verdict(trace: &Trace) -> Option<Failure> {
    let first = trace.missing.first()?;
    let causes: Vec<&str> = trace.missing.iter().map(|missing| missing.cause.as_str()).collect();
    let got_there = trace.hops.iter().any(|hop| hop.hop == Kind::InKafka);
    let cause = if got_there {
        format!("the press is in Kafka, but {}", causes.join("; "))
    } else {
        format!("the press did not reach Kafka: {}", causes.join("; "))
    };
    Some(Failure::Failed { cause, remedy: first.remedy.clone() })
}

async fn happened(context: &Context, args: &TraceArgs, id: &str) -> Result<()> {
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let access = reach.kafka.as_ref().ok_or_else(Reach::no_kafka)?;
    let (topics, from) = ([args.topic.as_str(), DEAD_LETTERS], args.from.unwrap_or(From::Beginning));
    let past = past::search(access, id, &topics, from, true).await?;
    let Some(first) = past.records.first() else { return Err(not_found(id, &past, from, &reach.about).into()) };
    past::ensure_one_event(&past.records, id, &reach.about)?;
    let later = past::later(access, &past.records).await?;
    let in_topic = past.records.iter().filter(|found| found.topic == args.topic);
    let record = in_topic.min_by_key(|found| (found.time, found.partition, found.offset)).unwrap_or(first);
    let standings = past::standings(access, record).await?;
    let trace = told::of_past(&reach.about, &args.topic, &past.records, &later, &standings);
    context.ui.show(&trace, |trace| text(trace, true))
}

fn not_found(id: &str, past: &Past, from: From, about: &About) -> Failure {
    let noun = if past.read == 1 { "message" } else { "messages" };
    let topics = past.topics.join(" and ");
    let cause = format!("no record matches {id}; searched {} {noun} in {topics}", past.read);
    let further = if from == From::Beginning { "" } else { "--from beginning searches everything; " };
    let describe = about.command(&format!("topic describe {}", past.topics.first().map_or("", String::as_str)));
    let mut words = format!("{further}retention deletes old records ({describe} shows what is left)");
    if !about.is_elsewhere() {
        let inspect = about.command("bridge journal inspect");
        let _ = write!(words, "; {inspect} shows what is waiting for Kafka");
    }
    Failure::Failed { cause, remedy: Remedy::words(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_through_is_said() {
        let about = About::stack("stack sos".to_owned(), String::new());
        let topics = ["emergency.created", DEAD_LETTERS].map(str::to_owned).to_vec();
        let past = Past { topics, read: 12, ..Past::default() };
        let failure = not_found("e-1", &past, From::Now, &about);
        assert_eq!(
            failure.to_string(),
            "no record matches e-1; searched 12 messages in emergency.created and dlq.failed-messages"
        );
        let remedy = failure.remedy().unwrap().as_str();
        assert!(
            remedy.starts_with("--from beginning") && remedy.contains("topic describe emergency.created"),
            "{remedy}"
        );
        assert!(!not_found("e-1", &past, From::Beginning, &about).remedy().unwrap().as_str().contains("--from"));
    }
}
