//! `sosstack ledger`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use super::reach;
use crate::about::About;
use crate::cli::ledger::{LedgerCommand, LedgerVerifyArgs};
use crate::event::Event;
use crate::failure::Failure;
use crate::ledger::search::{self, Search};
use crate::ledger::verdict::{Case, OfQos, Verdict};
use crate::ledger::{Entry, Header, read};
use crate::reach::Reach;
use crate::ui::{Table, Ui};

pub(super) async fn run(context: &Context, command: &LedgerCommand) -> Result<()> {
    match command {
        LedgerCommand::Verify(args) => verify(context, args).await,
    }
}

async fn verify(context: &Context, args: &LedgerVerifyArgs) -> Result<()> {
    let file = args.ledger.clone();
    let (header, torn, case) = context.shutdown.guard_blocking(move || open(&file)).await?;
    if torn {
        context.ui.report(Event::Note(
            "the last line is incomplete: the process that wrote the ledger was killed".to_owned(),
        ));
    }
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let access = reach.kafka.as_ref().ok_or_else(Reach::no_kafka)?;
    let search = Search { access, started: header.started, cluster: header.cluster.as_deref(), timeout: args.timeout };
    let case = search::search(&search, case, &|event| context.ui.report(event)).await?;
    let verdict = case.verdict(args.late);
    let kinds = examples(&args.ledger, &verdict)?;
    if context.ui.is_json() {
        Ui::print_json(&verified(&header, &verdict, &kinds))?;
    } else {
        Ui::print(&text(&verdict, &kinds, args.late))?;
    }
    if verdict.is_kept() { Ok(()) } else { Err(broken(&verdict, &reach.about).into()) }
}

fn open(file: &Path) -> Result<(Header, bool, Case)> {
    let mut case = Case::default();
    let (header, torn) = read::read(file, |entry, at| case.add(entry, at))?;
    Ok((header, torn, case))
}

/// The result of `ledger verify`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Verified<'a> {
    stack: &'a str,
    scenario: &'a str,
    seed: u64,
    /// Whether every promise was kept.
    ok: bool,
    /// QoS 0, 1 and 2.
    qos: &'a [OfQos],
    /// Some messages of each kind.
    examples: BTreeMap<&'static str, &'a [Entry]>,
}

/// Some messages of one kind.
struct Kind {
    name: &'static str,
    examples: Vec<Entry>,
}

fn examples(file: &Path, verdict: &Verdict) -> Result<Vec<Kind>> {
    let Verdict { lost, duplicated, reordered, late, dead_lettered, .. } = verdict;
    let kinds = [
        ("lost", lost),
        ("duplicated", duplicated),
        ("reordered", reordered),
        ("late", late),
        ("dead_lettered", dead_lettered),
    ];
    let kind = |(name, lines): (&'static str, &Vec<u64>)| {
        let examples = lines.iter().map(|at| read::entry_at(file, *at)).collect::<Result<_>>()?;
        Ok(Kind { name, examples })
    };
    kinds.into_iter().map(kind).collect()
}

fn verified<'a>(header: &'a Header, verdict: &'a Verdict, kinds: &'a [Kind]) -> Verified<'a> {
    Verified {
        stack: &header.stack,
        scenario: &header.scenario,
        seed: header.seed,
        ok: verdict.is_kept(),
        qos: &verdict.qos,
        examples: kinds.iter().map(|kind| (kind.name, kind.examples.as_slice())).collect(),
    }
}

fn text(verdict: &Verdict, kinds: &[Kind], late: Duration) -> String {
    let mut table = Table::new(&[
        "QOS",
        "MESSAGES",
        "ACKNOWLEDGED",
        "FOUND",
        "LOST",
        "DUPLICATED",
        "REORDERED",
        "LATE",
        "DEAD LETTERS",
    ]);
    for of in &verdict.qos {
        let OfQos { qos, messages, promised, found, lost, duplicated, reordered, late, dead_lettered, .. } = of;
        let promised = if *qos == 0 { "-".to_owned() } else { promised.to_string() };
        let numbers = [*found, *lost, *duplicated, *reordered, *late, *dead_lettered].map(|n| n.to_string().into());
        let beginning = [qos.to_string(), messages.to_string(), promised].map(Into::into);
        table.row(beginning.into_iter().chain(numbers).collect());
    }
    let mut text = table.render();
    for kind in kinds.iter().filter(|kind| !kind.examples.is_empty()) {
        let words = match kind.name {
            "late" => format!("later than {late:?}"),
            name => name.replace('_', "-"),
        };
        let _ = writeln!(text, "\n{words}:");
        for entry in &kind.examples {
            let _ = writeln!(text, "  {}", one(entry));
        }
    }
    text
}

fn one(entry: &Entry) -> String {
    let Entry { topic, qos, event_id, sequence, acknowledged, sent, .. } = entry;
    let time = |ms: &i64| Timestamp::from_millisecond(*ms).map_or_else(|_| ms.to_string(), |time| time.to_string());
    let when = match (acknowledged, sent) {
        (Some(ms), _) => format!("acknowledged {}", time(ms)),
        (None, Some(ms)) => format!("sent {}", time(ms)),
        (None, None) => "never sent".to_owned(),
    };
    format!("{topic} {sequence} (QoS {qos}), event id {event_id}, {when}")
}

fn broken(verdict: &Verdict, about: &About) -> Failure {
    let (lost, reordered) = verdict.broken_promises();
    let cause = format!(
        "{lost} of the messages that were acknowledged at QoS 1 and 2 are not in Kafka, {reordered} came out of order"
    );
    let remedy = about.remedy("tail --all").then(" shows whether any arrive; docs/simulate.md explains each count");
    Failure::Failed { cause, remedy }
}
