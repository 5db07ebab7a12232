//! `sosstack logs`

use std::collections::HashSet;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Context, selected};
use crate::cli::LogsArgs;
use crate::event::Event;
use crate::mqtt::keep_alive;
use crate::runtime::{LogLine, LogQuery};
use crate::stack::{Role, Service};
use crate::ui::Ui;

/// One colour a service, in the order in which services are listed.
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::BrightCyan];

pub(super) async fn run(context: &Context, args: &LogsArgs) -> Result<()> {
    let (stack, found) = context.running().await?;
    let services = selected(&found.inventory, &args.services)?;
    let since = args.since.map(|ago| Timestamp::now() - SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX));
    let query = LogQuery { services: services.clone(), since, tail: args.tail, follow: args.follow };
    let mut lines = context.shutdown.guard(found.runtime.logs(&stack.name, query)).await?;
    let limit = stack.mosquitto.max_keepalive;
    let mut mosquitto = keep_alive::Log::new(stack.mosquitto.keep_alive_limit());
    let mut told = HashSet::new();
    loop {
        let line = tokio::select! {
            () = context.shutdown.requested() => {
                return if args.follow { Ok(()) } else { Err(context.shutdown.interrupted().into()) };
            }
            line = lines.next() => line,
        };
        let Some(line) = line.transpose()? else { return Ok(()) };
        show(context, &line, &services)?;
        if line.service.role != Role::Mosquitto {
            continue;
        }
        if let Some(client) = mosquitto.read(&line.text).filter(|client| told.insert(client.client.clone())) {
            context.ui.report(Event::Note(format!(
                "{} was refused as \"identifier rejected\": it wants {}, and mosquitto.max_keepalive is {limit} s",
                client.client,
                client.asked()
            )));
        }
    }
}

fn show(context: &Context, line: &LogLine, services: &[Service]) -> Result<()> {
    let LogLine { service, time, text } = line;
    if context.ui.is_json() {
        return Ui::print(&format!("{}\n", json!({ "service": service, "time": time, "text": text })));
    }
    let index = services.iter().position(|candidate| candidate == service).unwrap_or(0);
    let style = Style::new().fg_color(Some(COLOURS[index % COLOURS.len()].into()));
    let clock = time.map_or_else(|| " ".repeat(12), local_clock);
    Ui::print(&format!("{clock} {style}{service:<11} |{style:#} {text}\n"))
}

/// `16:05:09.123` in the user's time zone.
fn local_clock(time: Timestamp) -> String {
    let local = jiff::tz::TimeZone::system().to_datetime(time);
    local.strftime("%H:%M:%S.%3f").to_string()
}
