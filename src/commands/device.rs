//! `sosstack device`

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::cli::DeviceCommand;
use crate::config::mosquitto::reach;
use crate::failure::Failure;
use crate::lifecycle::connect;
use crate::secrets::{Accounts, accounts::Enrolled};
use crate::stack::StackName;
use crate::stack::device::SERVICE_USER;
use crate::ui::{Table, Ui};

pub(super) fn run(context: &Context, command: &DeviceCommand) -> Result<()> {
    let name = context.load(None)?.stack.name;
    let accounts = Accounts::read(&context.paths.stack(&name))?.ok_or_else(|| connect::not_running(&name))?;
    match command {
        DeviceCommand::List => list(context, &accounts),
        DeviceCommand::Show { id, password: true } => {
            let password = match id.as_str() {
                SERVICE_USER => &accounts.service.password,
                id => &find(&accounts, &name, id)?.account.password,
            };
            Ui::print(&format!("{password}\n"))
        }
        DeviceCommand::Show { id, password: false } => show(context, id, find(&accounts, &name, id)?),
    }
}

fn list(context: &Context, accounts: &Accounts) -> Result<()> {
    if context.ui.is_json() {
        let devices = accounts.devices.iter().map(|(id, device)| json!({ "id": id, "owner": device.owner }));
        return Ui::print_json(&devices.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["DEVICE", "OWNER"]);
    for (id, device) in &accounts.devices {
        table.row(vec![id.clone().into(), device.owner.clone().unwrap_or_default().into()]);
    }
    Ui::print(&table.render())
}

fn show(context: &Context, id: &str, device: &Enrolled) -> Result<()> {
    let (writes, reads) = reach(id, device.owner.as_deref());
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "id": id, "owner": device.owner, "writes": writes, "reads": reads }));
    }
    let mut text = format!("device  {id}\nowner   {}\n", device.owner.as_deref().unwrap_or("nobody"));
    for (word, topics) in [("writes", writes), ("reads", reads)] {
        for topic in topics {
            let _ = writeln!(text, "{word:7} {topic}");
        }
    }
    Ui::print(&text)
}

pub(super) fn find<'a>(accounts: &'a Accounts, name: &StackName, id: &str) -> Result<&'a Enrolled> {
    accounts.devices.get(id).ok_or_else(|| {
        let similar = crate::similar::similar(id, accounts.devices.keys().map(String::as_str));
        let hint = similar.map(|similar| format!("did you mean {similar}? ")).unwrap_or_default();
        Failure::Failed {
            cause: format!("stack {name} has no device {id:?}"),
            remedy: format!("{hint}sosstack device list shows all"),
        }
        .into()
    })
}
