//! `sosstack bridge journal`

use anyhow::Result;

use super::super::Context;
use crate::bridge::journal::{self, Inspection};
use crate::cli::bridge_journal::{InspectArgs, JournalCommand};
use crate::event::Event;
use crate::ui::{Table, Ui, table};

pub(super) async fn run(context: &Context, command: &JournalCommand) -> Result<()> {
    match command {
        JournalCommand::Inspect(args) => inspect(context, args).await,
    }
}

async fn inspect(context: &Context, args: &InspectArgs) -> Result<()> {
    let directory = match &args.journal {
        Some(directory) => directory.clone(),
        None => context.paths.bridge(&context.load(None, None)?.stack.name),
    };
    let seen = context.shutdown.guard_blocking(move || journal::inspect(&directory)).await?;
    if context.ui.is_json() {
        return Ui::print_json(&seen);
    }
    for finding in &seen.damaged {
        context.ui.report(Event::Warning(finding.to_string()));
    }
    for path in &seen.set_aside {
        context.ui.report(Event::Note(format!("kept of earlier damage: {}", path.display())));
    }
    if seen.waiting.is_empty() {
        context.ui.say(&format!("Nothing waits in {}.", seen.directory.display()));
        return Ok(());
    }
    Ui::print(&shown(&seen))
}

fn shown(seen: &Inspection) -> String {
    let now = jiff::Timestamp::now();
    let mut rows = Table::new(&["LANE", "TOPIC", "MESSAGES", "SIZE", "SINCE", "AGE"]);
    for waiting in &seen.waiting {
        // Seconds are exact enough for people; JSON has the rest.
        let since = waiting.oldest.round(jiff::Unit::Second).unwrap_or(waiting.oldest);
        rows.row(vec![
            waiting.lane.into(),
            waiting.topic.clone().into(),
            waiting.messages.to_string().into(),
            size(waiting.bytes).into(),
            since.to_string().into(),
            table::duration((now.as_second() - waiting.oldest.as_second()).max(0)).into(),
        ]);
    }
    rows.render()
}

/// As [`table::bytes`], and exact where that would be nothing.
fn size(bytes: u64) -> String {
    if bytes < 1024 * 1024 { format!("{} KiB", bytes.div_ceil(1024)) } else { table::bytes(bytes) }
}
