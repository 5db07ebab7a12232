//! `sosstack device`

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::Context;
use crate::about::Remedy;
use crate::cli::{DeviceAddArgs, DeviceCommand};
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::lifecycle::devices::{self, Changed, Fleet};
use crate::lifecycle::up::Up;
use crate::secrets::{Accounts, accounts::Enrolled};
use crate::stack::Device;
use crate::stack::device::{BRIDGE_USER, SERVICE_USER};
use crate::stack::device_list::{self, Format};
use crate::stack::leaf::{self, Direction};
use crate::ui::{Table, Ui};

pub(super) async fn run(context: &Context, command: &DeviceCommand) -> Result<()> {
    match command {
        DeviceCommand::List { .. } | DeviceCommand::Show { .. } => look(context, command).await,
        DeviceCommand::Add(args) => {
            let devices = devices_of(context, args).await?;
            change(context, "device add", async |fleet, report| devices::add(fleet, &devices, report).await).await
        }
        DeviceCommand::Remove { ids } => {
            change(context, "device remove", async |fleet, report| devices::remove(fleet, ids, report).await).await
        }
        DeviceCommand::Rotate { ids } => {
            change(context, "device rotate", async |fleet, report| devices::rotate(fleet, ids, report).await).await?;
            if ids.iter().any(|id| id == SERVICE_USER) {
                let env = context.load(None, None)?.stack.name.about().command("env");
                context.ui.report(Event::Warning(format!(
                    "backends logged in as sos_service are disconnected; they can reconnect with the new password, \
                     which {env} prints"
                )));
            }
            if ids.iter().any(|id| id == BRIDGE_USER) {
                context.ui.report(Event::Warning(format!(
                    "bridges logged in as {BRIDGE_USER} are disconnected; those on this machine reconnect with the new \
                     password by themselves, but Mosquitto before 2.1 queues nothing for them meanwhile"
                )));
            }
            Ok(())
        }
    }
}

async fn look(context: &Context, command: &DeviceCommand) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let accounts = context.accounts(&name).await?;
    match command {
        DeviceCommand::Show { id, password: true } => {
            let password = match id.as_str() {
                SERVICE_USER => &accounts.service.password,
                BRIDGE_USER => &accounts.bridge(&name)?.password,
                id => &accounts.find(id, &name)?.account.password,
            };
            Ui::print(&format!("{}\n", password.reveal()))
        }
        DeviceCommand::Show { id, password: false } => show(context, id, accounts.find(id, &name)?),
        DeviceCommand::List { passwords: true } => list_passwords(context, &accounts),
        _ => list(context, &accounts),
    }
}

/// Runs a change under the stack's lock and says what came of it.
async fn change(
    context: &Context,
    command: &str,
    work: impl AsyncFnOnce(&Fleet<'_>, Report<'_>) -> Result<Changed>,
) -> Result<()> {
    let name = context.load(None, None)?.stack.name;
    let _lock = context.lock(&name, command).await?;
    let (stack, found) = context.existing().await?;
    let running = found.as_ref().filter(|found| !found.inventory.instances.is_empty());
    let up = running.map(|found| Up::of_running(&stack, &*found.runtime, &context.paths, devices::PATIENCE));
    let fleet = Fleet { paths: &context.paths, name: &stack.name, running: up.as_ref() };
    let changed = work(&fleet, &|event| context.ui.report(event)).await?;
    context.ui.conclude(&changed, words)
}

fn words(changed: &Changed) -> String {
    let unchanged = match changed.unchanged.len() {
        0 => String::new(),
        count => format!(", {count} unchanged"),
    };
    match changed.changed.as_slice() {
        [one] => format!("{one}: done{unchanged}"),
        all => format!("{} devices: done{unchanged}", all.len()),
    }
}

/// The devices that the arguments name, checked.
async fn devices_of(context: &Context, args: &DeviceAddArgs) -> Result<Vec<Device>> {
    let refuse = |cause: String| Failure::Usage {
        cause,
        remedy: Remedy::words("a device id is written device-12345, a user id user-7; --help says more"),
    };
    if let Some(file) = &args.from {
        let from = file.clone();
        let (text, format) = context.shutdown.guard_blocking(move || list_file(&from)).await?;
        return Ok(device_list::read(&text, format).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", file.display())).collect();
            refuse(lines.join("\n  "))
        })?);
    }
    let device = Device { id: args.id.clone().unwrap_or_default(), owner: args.owner.clone() };
    Ok(vec![device_list::check(device).map_err(refuse)?])
}

fn list_file(file: &Path) -> Result<(String, Format)> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("reading devices from stdin")?;
        return Ok((text, Format::Csv));
    }
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Usage {
        cause: format!("{} cannot be read: {error}", file.display()),
        remedy: Remedy::words("name a CSV file (id,owner) or a YAML list of {id, owner}"),
    })?;
    let is_yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    Ok((text, if is_yaml { Format::Yaml } else { Format::Csv }))
}

/// A device; one element of the result of `device list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row<'a> {
    id: &'a str,
    /// None where it is nobody's.
    owner: Option<&'a str>,
    /// Only where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

/// The result of `device show`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Shown<'a> {
    id: &'a str,
    owner: Option<&'a str>,
    /// Topics that it publishes to, and those that it may subscribe to.
    writes: Vec<String>,
    reads: Vec<String>,
}

fn rows<'a>(accounts: &'a Accounts, passwords: bool) -> Vec<Row<'a>> {
    let row = |(id, device): (&'a String, &'a Enrolled)| Row {
        id,
        owner: device.owner.as_deref(),
        password: passwords.then(|| device.account.password.reveal()),
    };
    accounts.devices.iter().map(row).collect()
}

fn list(context: &Context, accounts: &Accounts) -> Result<()> {
    context.ui.show(rows(accounts, false).as_slice(), |devices| {
        let mut table = Table::new(&["DEVICE", "OWNER"]);
        for device in devices {
            table.row(vec![device.id.into(), device.owner.unwrap_or_default().into()]);
        }
        table.render()
    })
}

/// Ids, user ids and passwords hold nothing that CSV would have to quote but, perhaps, quotes and commas.
fn list_passwords(context: &Context, accounts: &Accounts) -> Result<()> {
    let devices = rows(accounts, true);
    if context.ui.is_json() {
        return Ui::print_json(&devices);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "owner", "password"])?;
    for device in devices {
        writer.write_record([device.id, device.owner.unwrap_or(""), device.password.unwrap_or("")])?;
    }
    Ui::print(&String::from_utf8(writer.into_inner().context("writing CSV")?)?)
}

fn show(context: &Context, id: &str, device: &Enrolled) -> Result<()> {
    let owner = device.owner.as_deref();
    let reached = leaf::of_device(id, owner);
    let (up, down): (Vec<_>, Vec<_>) = reached.partition(|(leaf, _)| leaf.direction == Direction::Up);
    let [writes, reads] = [up, down].map(|leaves| leaves.into_iter().map(|(_, topic)| topic).collect());
    context.ui.show(&Shown { id, owner, writes, reads }, |device| {
        let mut text = format!("device  {}\nowner   {}\n", device.id, device.owner.unwrap_or("nobody"));
        for (word, topics) in [("writes", &device.writes), ("reads", &device.reads)] {
            for topic in topics {
                let _ = writeln!(text, "{word:7} {topic}");
            }
        }
        text
    })
}
