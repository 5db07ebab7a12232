//! `sosstack prune`

use anyhow::Result;

use super::{Context, confirm};
use crate::cli::PruneArgs;
use crate::lifecycle::prune::{self, Waste};
use crate::runtime::choose;
use crate::ui::{Table, Ui, table};

pub(super) async fn run(context: &Context, args: &PruneArgs) -> Result<()> {
    let stack = context.load(None, None)?.stack;
    let runtimes = choose::available(&context.paths, None).await;
    let waste = prune::find(&stack, &context.paths, &runtimes).await?;
    if context.ui.is_json() {
        Ui::print_json(&waste)?;
    } else if waste.is_empty() {
        context.ui.say("Nothing to remove.");
    } else {
        Ui::print(&shown(&waste))?;
    }
    if args.dry_run || waste.is_empty() {
        return Ok(());
    }
    if !args.yes {
        confirm("Remove all of it?", "nothing was removed", "sosstack prune --yes")?;
    }
    for item in &waste {
        prune::remove(item, &context.paths, &runtimes, &|event| context.ui.report(event), &context.shutdown).await?;
    }
    context.ui.say(&format!("{} removed, {} freed", waste.len(), table::bytes(bytes(&waste))));
    Ok(())
}

fn bytes(waste: &[Waste]) -> u64 {
    let of = |item: &Waste| match item {
        Waste::Path { bytes, .. } => *bytes,
        Waste::Archive { bytes, .. } => bytes.unwrap_or(0),
        Waste::Stack { .. } => 0,
    };
    waste.iter().map(of).sum()
}

fn shown(waste: &[Waste]) -> String {
    let mut rows = Table::new(&["WHAT", "HOW MUCH", "WHY"]);
    for item in waste {
        rows.row(match item {
            Waste::Path { path, bytes, why } => {
                vec![path.display().to_string().into(), table::bytes(*bytes).into(), why.clone().into()]
            }
            Waste::Archive { runtime, name, bytes, why } => vec![
                format!("{name} ({})", runtime.as_str()).into(),
                bytes.map_or_else(|| "not known".to_owned(), table::bytes).into(),
                why.clone().into(),
            ],
            Waste::Stack { stack, runtime, services, volumes, why } => vec![
                format!("stack {stack} ({})", runtime.as_str()).into(),
                format!("{services} services, {volumes} volumes").into(),
                why.clone().into(),
            ],
        });
    }
    rows.render()
}
