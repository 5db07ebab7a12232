//! `sosstack list`: all stacks on this machine.

use anyhow::Result;

use super::Context;
use crate::about::About;
use crate::lifecycle::stacks::{self, Entry};
use crate::ui::Table;

pub(super) async fn run(context: &Context) -> Result<()> {
    let entries = stacks::list(&context.paths, &|event| context.ui.report(event)).await?;
    if entries.is_empty() && !context.ui.is_json() {
        context.ui.say(&format!("No stacks on this machine. To create one: {}", About::this_machine().command("up")));
        return Ok(());
    }
    context.ui.show(entries.as_slice(), table)
}

fn table(entries: &[Entry]) -> String {
    let mut table = Table::new(&["STACK", "RUNTIME", "STATE", "SERVICES", "BRIDGES", "PORT OFFSET"]);
    for entry in entries {
        table.row(vec![
            entry.stack.to_string().into(),
            entry.runtime.as_str().into(),
            entry.state.as_str().into(),
            format!("{}/{}", entry.running, entry.services).into(),
            if entry.bridges > 0 { entry.bridges.to_string().into() } else { "-".into() },
            entry.port_offset.to_string().into(),
        ]);
    }
    table.render()
}
