//! `sosstack bridge check`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, IsTerminal};

use anyhow::{Context as _, Result};

use super::super::Context;
use super::owners::owners;
use crate::about::Remedy;
use crate::bridge::check::{Outcome, outcome, sample};
use crate::bridge::map::{Limits, Mapper};
use crate::bridge::routes::{Routes, load};
use crate::cli::bridge::CheckArgs;
use crate::failure::Failure;
use crate::message::now;
use crate::ui::table::{BOLD, DIM, ERROR, WARNING};
use crate::ui::{Ui, messages};

pub(super) async fn run(context: &Context, args: &CheckArgs) -> Result<()> {
    if args.schema {
        return Ui::print(&format!("{}\n", Routes::json_schema()));
    }
    if args.built_in {
        return Ui::print(load::built_in());
    }
    let stack = context.load(None, None)?.stack;
    let routes = Routes::load(args.routes.as_deref(), &stack)?;
    let limits = Limits { mapping: args.jq_timeout, ..Limits::default() };
    let mapper = Mapper::new(routes, owners(context, &stack)?, limits);
    if std::io::stdin().is_terminal() {
        context.ui.say("The routes are valid. Samples are read from this terminal, one per line; end with Ctrl-D.");
    }
    let is_json = context.ui.is_json();
    let counts = context.shutdown.guard_blocking(move || samples(&mapper, is_json)).await?;
    context.ui.say(&summary(&counts));
    Ok(())
}

/// How many samples met which fate.
type Counts = BTreeMap<&'static str, usize>;

/// Reads and prints until the input ends. Blocks its thread.
fn samples(mapper: &Mapper, is_json: bool) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line).context("reading samples from stdin")? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let received = sample(text, now(), mapper).map_err(|words| Failure::Usage {
            cause: format!("line {number}: {words}"),
            remedy: Remedy::words("--help shows what samples look like"),
        })?;
        let Some(received) = received else { continue };
        let outcome = outcome(number, &received, mapper);
        *counts.entry(outcome.fate).or_default() += 1;
        if is_json {
            Ui::print(&format!("{}\n", serde_json::to_string(&outcome)?))?;
        } else {
            Ui::print(&text_of(&outcome))?;
        }
    }
    Ok(counts)
}

/// A sample, and what becomes of it, as people read it.
fn text_of(outcome: &Outcome) -> String {
    let visible = |bytes: &[u8]| messages::visible(&String::from_utf8_lossy(bytes));
    let topic = visible(outcome.topic.as_bytes());
    let route = outcome.route.as_ref().map(|route| format!("  {DIM}route {route}{DIM:#}")).unwrap_or_default();
    let mut text = format!("{BOLD}{topic}{BOLD:#}{route}\n");
    if let Some(reason) = &outcome.reason {
        let (style, word) = match outcome.fate {
            "incomplete" => (WARNING, "incomplete"),
            "dead_letter" => (ERROR, "dead letter"),
            _ => (DIM, "ignored"),
        };
        let _ = writeln!(text, "  {style}{word}{style:#}: {}", visible(reason.as_bytes()));
    }
    for sent in &outcome.records {
        let record = &sent.record;
        let _ = writeln!(text, "  → {}  key {}  {DIM}lane {}{DIM:#}", record.topic, visible(&record.key), sent.lane);
        let value = record.value.as_deref().unwrap_or_default();
        let shown = if value.is_empty() { "(no bytes)".to_owned() } else { shortened(&visible(value)) };
        let _ = writeln!(text, "    {shown}");
    }
    text
}

/// One that fits a few lines; `--output json` has all of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

fn summary(counts: &Counts) -> String {
    let all: usize = counts.values().sum();
    let of = |fate: &str| counts.get(fate).copied().unwrap_or_default();
    let words = [
        (of("routed"), "as the routes say"),
        (of("incomplete"), "incomplete"),
        (of("dead_letter"), "dead letters"),
        (of("ignored"), "ignored"),
    ];
    let told = words.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
    let told: Vec<String> = told.collect();
    match all {
        0 => "The routes are valid. Samples on stdin show what messages would become.".to_owned(),
        1 => format!("The routes are valid. 1 sample: {}.", told.join(", ")),
        _ => format!("The routes are valid. {all} samples: {}.", told.join(", ")),
    }
}
