//! `sosstack bridge dlq replay`

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::super::Context;
use super::dlq_chosen::{gather, say_none, wish};
use super::dlq_text;
use super::owners::owners;
use crate::about::{About, Remedy};
use crate::alarm;
use crate::bridge::letters::choice::Choice;
use crate::bridge::letters::found;
use crate::bridge::letters::replay::{Draft, Fate, Replay, sought};
use crate::bridge::map::{Limits, Mapper};
use crate::bridge::record::Record;
use crate::bridge::routes::Routes;
use crate::cli::bridge_dlq::ReplayArgs;
use crate::failure::Failure;
use crate::message::now;
use crate::publish::{self, Sent, Supply, Terms};
use crate::reach::Reach;
use crate::sending::Outgoing;
use crate::stack::Stack;
use crate::ui::Ui;

/// How long a record may wait for its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long records wait for others to travel with.
const LINGER: Duration = Duration::from_millis(20);
/// Bytes of records that are planned at once: all of them are held until they are sent.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// Letters that are named in a failure; the plan has all of them.
const NAMED: usize = 10;

pub(super) async fn replay(
    context: &Context,
    reach: &Reach,
    routes: &Arc<Routes>,
    stack: &Stack,
    args: &ReplayArgs,
) -> Result<()> {
    let mut plan = planned(context, reach, routes, stack, args).await?;
    if plan.letters.is_empty() {
        say_none(context, reach, routes, &wish(&args.choice));
        return if context.ui.is_json() { Ui::print_json(&plan) } else { Ok(()) };
    }
    if !context.ui.is_json() {
        Ui::print(&dlq_text::plan(&plan))?;
    }
    let count = plan.of(Fate::Planned);
    if !args.dry_run && count > 0 {
        if let Err(refusal) = meant(context, reach, args, &plan).await {
            if context.ui.is_json() {
                Ui::print_json(&plan)?;
            }
            return Err(refusal);
        }
        let sent = send(context, reach, &plan).await?;
        settle(&mut plan, &sent);
        if sent.interrupted {
            context.ui.say(&format!("interrupted: {} of {count} records were acknowledged", plan.sent));
        } else {
            context.ui.say(&format!("{} of {count} records were sent and acknowledged", plan.sent));
        }
    }
    if context.ui.is_json() {
        Ui::print_json(&plan)?;
    }
    if context.shutdown.is_requested() {
        return Err(context.shutdown.interrupted().into());
    }
    verdict(&plan, &reach.about)
}

/// What each chosen letter becomes. Nothing is sent.
async fn planned(
    context: &Context,
    reach: &Reach,
    routes: &Arc<Routes>,
    stack: &Stack,
    args: &ReplayArgs,
) -> Result<Replay> {
    let limits = Limits { mapping: args.jq_timeout, ..Limits::default() };
    let mapper = Mapper::new(Routes::clone(routes), owners(context, stack)?, limits);
    let choice = if args.ids.is_empty() { Choice::Those(wish(&args.choice)) } else { Choice::These(args.ids.clone()) };
    let mut bytes = 0;
    let draft = move |letter| {
        let draft = Draft::of(&letter, &mapper);
        bytes += draft.size();
        if bytes > MOST_BYTES { Err(too_many()) } else { Ok(draft) }
    };
    let drafts = gather(context, reach, routes, &choice, draft).await?;
    let access = reach.kafka.as_ref().ok_or_else(Reach::no_kafka)?;
    let report = |event| context.ui.report(event);
    let found = context.shutdown.guard(found::search(access, sought(&drafts), &report)).await?;
    Ok(Replay::plan(drafts, &found, routes))
}

fn too_many() -> anyhow::Error {
    Failure::Usage {
        cause: format!("the selected dead letters hold more than {} MiB", MOST_BYTES >> 20),
        remedy: Remedy::words("replay fewer at a time: narrow the selection with --from and --until, or -n"),
    }
    .into()
}

/// Whether it may be carried out: nobody is alarmed by mistake, and somebody said yes.
async fn meant(context: &Context, reach: &Reach, args: &ReplayArgs, plan: &Replay) -> Result<()> {
    let emergencies = plan.emergencies();
    if emergencies > 0 {
        let what = match emergencies {
            1 => "1 of these dead letters becomes an emergency".to_owned(),
            count => format!("{count} of these dead letters become emergencies"),
        };
        alarm::ensure_meant(&reach.about, args.real_emergencies, &what, "sends them")?;
    }
    let count = plan.of(Fate::Planned);
    let noun = if count == 1 { "record" } else { "records" };
    let question = format!("Send {count} {noun} to Kafka of {}?", reach.about);
    if args.yes || Ui::confirm(&question, &context.shutdown).await? == Some(true) {
        return Ok(());
    }
    Err(Failure::Usage { cause: "nothing was sent".to_owned(), remedy: Remedy::words("--yes carries out the plan") }
        .into())
}

/// Sends what is planned, each record with the number of its step.
async fn send(context: &Context, reach: &Reach, plan: &Replay) -> Result<Sent> {
    let time = now();
    let steps = plan.letters.iter().enumerate();
    let outgoing = steps.filter_map(|(index, step)| Some(outgoing(index, step.record.as_ref()?, time)));
    let supply = Supply::Messages { kafka: outgoing.collect(), mqtt: Vec::new() };
    let terms = Terms { patience: PATIENCE, linger: LINGER };
    publish::send(reach, supply, terms, &|event| context.ui.report(event), &context.shutdown).await
}

/// As of now: with the time of receipt, retention might delete it before anybody reads it.
fn outgoing(index: usize, record: &Record, time: i64) -> Outgoing {
    let header = |(name, value): &(Arc<str>, Option<bytes::Bytes>)| {
        (name.as_bytes().to_vec(), value.as_ref().map(|value| value.to_vec()))
    };
    Outgoing {
        number: index as u64,
        topic: Arc::clone(&record.topic),
        key: Some(record.key.clone()),
        headers: Arc::new(record.headers.iter().map(header).collect()),
        properties: None,
        qos: 0,
        retain: false,
        time: Some(time),
        value: record.value.clone(),
    }
}

/// What became of each. What was neither acknowledged nor refused when a signal came may be there all the same: the next
/// replay finds it.
fn settle(plan: &mut Replay, sent: &Sent) {
    let refused: HashMap<u64, &String> = sent
        .refused
        .iter()
        .flat_map(|(reason, numbers)| numbers.numbers().map(move |number| (number, reason)))
        .collect();
    let is_known = sent.accepted + refused.len() as u64 == plan.of(Fate::Planned) as u64;
    let outcome = |number| match refused.get(&number) {
        Some(reason) => (Fate::Unsent, Some((*reason).clone())),
        None if is_known => (Fate::Sent, None),
        None => (Fate::Unsent, Some("it is not known whether Kafka has it".to_owned())),
    };
    for (number, step) in (0..).zip(&mut plan.letters).filter(|(_, step)| step.fate == Fate::Planned) {
        let (fate, reason) = outcome(number);
        step.fate = fate;
        step.reason = reason.or(step.reason.take());
    }
    plan.done = !sent.interrupted;
    plan.sent = sent.accepted;
}

/// A failure that names the letters which were not replayed.
fn verdict(plan: &Replay, about: &About) -> Result<()> {
    let left: Vec<String> = plan
        .letters
        .iter()
        .filter(|step| !matches!(step.fate, Fate::Planned | Fate::Sent))
        .map(|step| format!("\n  {}: {}", step.id, step.reason.as_deref().unwrap_or_default()))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let verb = if plan.done { "were not" } else { "cannot be" };
    let mut cause = format!("{} of {} dead letters {verb} replayed", left.len(), plan.letters.len());
    cause.extend(left.iter().take(NAMED).map(String::as_str));
    if left.len() > NAMED {
        let _ = write!(cause, "\n  and {} more", left.len() - NAMED);
    }
    let remedy = if plan.of(Fate::Unsent) > 0 && !about.is_elsewhere() {
        about.remedy("status").then(" shows whether Kafka is running; records already sent are not sent again")
    } else {
        Remedy::words("fix what the reasons name, such as the routes (--routes FILE), and replay again")
    };
    Err(Failure::Failed { cause, remedy }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::letters::replay::Step;
    use crate::sending::Ledger;

    fn plan(fates: &[Fate]) -> Replay {
        let step = |(index, fate): (usize, &Fate)| Step {
            id: format!("0:{index}"),
            received_at: None,
            topic: None,
            event_id: None,
            fate: *fate,
            to: None,
            emergency: false,
            attempts: 1,
            reason: None,
            record: None,
        };
        let letters = fates.iter().enumerate().map(step).collect();
        Replay { dead_letters: "dlq.failed-messages".to_owned(), done: false, sent: 0, letters }
    }

    fn sent(accepted: u64, refused: &[u64], interrupted: bool) -> Sent {
        let ledger = Ledger::default();
        for number in refused {
            ledger.refuse(*number, "too large");
        }
        Sent { total: 0, accepted, refused: ledger.refused(), place: (0, 0), interrupted }
    }

    fn fates(plan: &Replay) -> Vec<Fate> {
        plan.letters.iter().map(|step| step.fate).collect()
    }

    #[test]
    fn what_became_of_each_is_told() {
        use Fate::{Planned, Refused, Sent as Acknowledged, Unmapped, Unsent};
        let mut done = plan(&[Planned, Unmapped, Planned, Refused]);
        settle(&mut done, &sent(1, &[2], false));
        assert_eq!(fates(&done), [Acknowledged, Unmapped, Unsent, Refused]);
        assert_eq!((done.done, done.sent, done.letters[2].reason.as_deref()), (true, 1, Some("too large")));
        let about = About::this_machine();
        let words = verdict(&done, &about).unwrap_err().to_string();
        assert!(
            words.starts_with("3 of 4 dead letters were not replayed\n  0:1: ") && words.contains("0:2: too large"),
            "{words}"
        );
        let mut all = plan(&[Planned]);
        settle(&mut all, &sent(1, &[], false));
        assert!(verdict(&all, &about).is_ok());
    }

    #[test]
    fn what_was_under_way_when_a_signal_came_is_not_taken_for_sent() {
        let mut cut_short = plan(&[Fate::Planned, Fate::Planned, Fate::Planned]);
        settle(&mut cut_short, &sent(1, &[2], true));
        assert_eq!(fates(&cut_short), [Fate::Unsent; 3]);
        assert_eq!((cut_short.done, cut_short.sent), (false, 1));
        let reason = cut_short.letters[0].reason.as_deref();
        assert_eq!(reason, Some("it is not known whether Kafka has it"));
    }
}
