//! `sosstack simulate`

use std::fmt::Write;

use anyhow::Result;

use super::Context;
use super::reach;
use crate::about::{About, Remedy};
use crate::alarm;
use crate::cli::simulate::SimulateArgs;
use crate::event::{Event, Report};
use crate::failure::Failure;
use crate::kafka::admin::Admin;
use crate::ledger::book;
use crate::lifecycle::devices::{self, Fleet};
use crate::lifecycle::simulated;
use crate::lifecycle::up::Up;
use crate::mqtt::access::{Access, Login};
use crate::reach::Reach;
use crate::simulate::apart::run_apart;
use crate::simulate::{Outcome, Request};
use crate::stack::Simulated;
use crate::stream::PATIENCE;
use crate::ui::{Table, Ui};

pub(super) async fn run(context: &Context, args: &SimulateArgs) -> Result<()> {
    if let Some(about) = reach::named_elsewhere(context, &args.cluster)? {
        alarm::ensure_meant(&about, args.real_emergencies, "simulated devices press panic buttons", "simulates")?;
    }
    if let Some(file) = &args.ledger {
        book::ensure_new(file)?;
    }
    let reach = reach::resolve(context, &args.cluster, None).await?;
    let access = reach.mqtt.clone().ok_or_else(Reach::no_mqtt)?;
    let simulated = Simulated { seed: args.seed, devices: args.devices };
    let cluster = match &reach.kafka {
        Some(kafka) if args.ledger.is_some() => Admin::with(kafka)?.cluster_id(PATIENCE).await,
        _ => None,
    };
    let request = Request {
        simulated,
        access: Vec::new(),
        scenario: args.scenario.as_str().to_owned(),
        gap: args.rate.gap(),
        duration: args.duration,
        ledger: args.ledger.clone(),
        stack: reach.about.to_string(),
        cluster,
    };
    let outcome = if reach.about.is_elsewhere() {
        // Nobody enrols devices there: all of them log in as the arguments say.
        let access = vec![access; args.devices as usize];
        play(context, Request { access, ..request }).await?
    } else {
        with_devices(context, &access, request).await?
    };
    show(context, &outcome)?;
    verdict(context, &outcome, &reach.about)
}

/// Plays with devices of the local stack, which exist for as long.
async fn with_devices(context: &Context, access: &Access, mut request: Request) -> Result<Outcome> {
    let (stack, found) = context.running().await?;
    let up = Up::of_running(&stack, &*found.runtime, &context.paths, devices::PATIENCE);
    let fleet = Fleet { paths: &context.paths, name: &stack.name, running: Some(&up) };
    let report: Report<'_> = &|event| context.ui.report(event);
    let enrolled = {
        let _lock = context.lock(&stack.name, "simulate").await?;
        simulated::enrol(&fleet, request.simulated, report).await?
    };
    let of = |login: &simulated::Login| {
        let login = Login::new(&login.device.id, login.password.clone());
        Access { login: Some(login), ..access.clone() }
    };
    request.access = enrolled.logins.iter().map(of).collect();
    let played = play(context, request).await;
    let dismissed = async {
        let _lock = context.lock(&stack.name, "simulate").await?;
        simulated::dismiss(&fleet, enrolled, report).await
    };
    if let Err(error) = dismissed.await {
        let up = stack.name.about().command("up");
        context.ui.report(Event::Warning(format!(
            "the simulated devices are still there ({error:#}); {up} removes them, as does every command that changes \
             devices"
        )));
    }
    played
}

async fn play(context: &Context, request: Request) -> Result<Outcome> {
    run_apart(request, &context.shutdown, &|event| context.ui.report(event)).await
}

fn show(context: &Context, outcome: &Outcome) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print_json(outcome);
    }
    let Outcome { scenario, seed, devices, seconds, rate, achieved_rate, sent, .. } = outcome;
    let mut text = format!(
        "{scenario}, seed {seed}: {devices} devices sent {sent} messages in {seconds:.1} s: {achieved_rate:.0}/s, of \
         {rate:.0}/s\n"
    );
    let mut table =
        Table::new(&["QOS", "SENT", "ACKNOWLEDGED", "UNACKNOWLEDGED", "REFUSED", "P50 MS", "P99 MS", "MAX MS"]);
    for of in &outcome.qos {
        let number = |number: u64| if of.qos == 0 { "-".to_owned() } else { number.to_string() };
        let millis = |millis: Option<f64>| millis.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1}"));
        table.row(vec![
            of.qos.to_string().into(),
            of.sent.to_string().into(),
            number(of.acknowledged).into(),
            number(of.unacknowledged).into(),
            number(of.refused).into(),
            millis(of.p50_ms).into(),
            millis(of.p99_ms).into(),
            millis(of.max_ms).into(),
        ]);
    }
    text.push_str(&table.render());
    let delay = outcome.send_delay_p99_ms.unwrap_or_default();
    let _ = writeln!(
        text,
        "backlog at most {}, 99 % sent within {delay:.1} ms of when they were due; {} reconnects, {} never sent",
        outcome.backlog, outcome.reconnects, outcome.unsent
    );
    Ui::print(&text)
}

/// A failure where the server refused, or did not acknowledge, what was sent.
fn verdict(context: &Context, outcome: &Outcome, about: &About) -> Result<()> {
    if outcome.interrupted {
        return Err(context.shutdown.interrupted().into());
    }
    let (refused, unacknowledged) = (outcome.refused(), outcome.unacknowledged());
    if refused + unacknowledged + outcome.unsent == 0 {
        return Ok(());
    }
    let mut cause = format!(
        "of {} messages {unacknowledged} were not acknowledged, {refused} refused, {} never sent",
        outcome.sent + outcome.unsent,
        outcome.unsent
    );
    if let Some(reason) = &outcome.refusal {
        let _ = write!(cause, " ({reason})");
    }
    let remedy = if about.is_elsewhere() {
        Remedy::words("check that the login may publish to the devices' topics, and that the server keeps up")
    } else {
        about.remedy("status").then(" shows whether Mosquitto is running; it may keep up with a lower --rate")
    };
    Err(Failure::Failed { cause, remedy }.into())
}
