//! `sosstack prune`

use anyhow::Result;

use super::{Context, confirm};
use crate::about::About;
use crate::cli::PruneArgs;
use crate::event::Event;
use crate::lifecycle::prune::{self, Look, Waste};
use crate::runtime::choose;
use crate::ui::{Table, Ui, table};

pub(super) async fn run(context: &Context, args: &PruneArgs) -> Result<()> {
    let stack = context.load(None, None)?.stack;
    let runtimes = choose::available(&context.paths, None).await?.runtimes;
    let Look { waste, kept } = prune::find(&stack, &context.paths, &runtimes).await?;
    if context.ui.is_json() {
        Ui::print_json(&waste)?;
    } else if waste.is_empty() {
        context.ui.say("Nothing to remove.");
    } else {
        Ui::print(&shown(&waste))?;
    }
    for words in kept {
        context.ui.report(Event::Note(format!("left alone: {words}")));
    }
    if args.dry_run || waste.is_empty() {
        return Ok(());
    }
    if !args.yes {
        let about = About::this_machine();
        confirm(context, "Remove all of it?", "nothing was removed", &about, "prune --yes").await?;
    }
    let removed = prune::remove(waste, &context.paths, &runtimes, &|event| context.ui.report(event)).await?;
    context.ui.say(&format!("{} removed, {} freed", removed.len(), table::bytes(bytes(&removed))));
    Ok(())
}

fn bytes(waste: &[Waste]) -> u64 {
    let of = |item: &Waste| match item {
        Waste::Path { bytes, .. } => *bytes,
        Waste::Archive { bytes, .. } => bytes.unwrap_or(0),
    };
    waste.iter().map(of).sum()
}

fn shown(waste: &[Waste]) -> String {
    let mut rows = Table::new(&["WHAT", "SIZE", "WHY"]);
    for item in waste {
        rows.row(match item {
            Waste::Path { path, bytes, why, .. } => {
                vec![path.display().to_string().into(), table::bytes(*bytes).into(), why.clone().into()]
            }
            Waste::Archive { runtime, name, bytes, why } => vec![
                format!("{name} ({})", runtime.as_str()).into(),
                bytes.map_or_else(|| "not known".to_owned(), table::bytes).into(),
                why.clone().into(),
            ],
        });
    }
    rows.render()
}
