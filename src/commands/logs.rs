//! `sosstack logs`

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use super::Context;
use super::selected::Selected;
use crate::cli::LogsArgs;
use crate::lifecycle::logs::{self, Asked};
use crate::runtime::bridges::Hosted;
use crate::runtime::{LogLine, LogQuery};
use crate::stack::Member;
use crate::ui::Ui;

/// One colour a service, in the order in which services are listed.
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::BrightCyan];

pub(super) async fn run(context: &Context, args: &LogsArgs) -> Result<()> {
    let (stack, found) = context.running().await?;
    let selected = Selected::of(context, &stack.name, &found.inventory, &args.services)?;
    let since = args.since.map(|ago| Timestamp::now() - SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX));
    let members = selected.members();
    let query = LogQuery { services: selected.services, since, tail: args.tail, follow: args.follow };
    let hosted = Hosted::of(&context.paths, &stack.name);
    let asked = Asked { stack: &stack, runtime: &*found.runtime, hosted: &hosted, bridges: &selected.bridges, query };
    let mut each = |line: &LogLine| show(context, line, &members);
    let report = |event| context.ui.report(event);
    logs::read(asked, &mut each, &report, &context.shutdown).await
}

fn show(context: &Context, line: &LogLine, members: &[Member]) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print(&(serde_json::to_string(line)? + "\n"));
    }
    let LogLine { service, time, text } = line;
    let index = members.iter().position(|candidate| candidate == service).unwrap_or(0);
    let style = Style::new().fg_color(Some(COLOURS[index % COLOURS.len()].into()));
    let clock = time.map_or_else(|| " ".repeat(12), local_clock);
    Ui::print(&format!("{clock} {style}{service:<11} |{style:#} {text}\n"))
}

/// `16:05:09.123` in the user's time zone.
fn local_clock(time: Timestamp) -> String {
    let local = jiff::tz::TimeZone::system().to_datetime(time);
    local.strftime("%H:%M:%S.%3f").to_string()
}
