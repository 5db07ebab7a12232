//! `sosstack config`

use anyhow::Result;

use super::Context;
use crate::cli::ConfigArgs;
use crate::runtime::choose;
use crate::stack::load;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &ConfigArgs) -> Result<()> {
    if args.schema {
        return Ui::print(&format!("{}\n", load::json_schema()));
    }
    let mut stack = context.load(None, None)?.stack;
    // A stack that exists keeps its ports: those are the effective ones.
    let found = choose::find(&context.paths, None, &stack.name).await?;
    if let Some(offset) = found.and_then(|found| found.inventory.port_offset).filter(|_| stack.ports.offset == 0) {
        stack.ports.offset = offset;
    }
    if context.ui.is_json() { Ui::print_json(&stack) } else { Ui::print(&load::to_yaml(&stack)) }
}
