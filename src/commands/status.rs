//! `sosstack status`

use std::time::Duration;

use anyhow::Result;

use super::Context;
use crate::about::Remedy;
use crate::cli::StatusArgs;
use crate::failure::Failure;
use crate::lifecycle::bridge_status::{BridgeProcess, BridgeStatus};
use crate::lifecycle::status::{Expected, ServiceStatus, Status};
use crate::lifecycle::{connect, status};
use crate::memo::Memo;
use crate::observe::bridges::{dead_letters, messages};
use crate::runtime::State;
use crate::stack::Role;
use crate::ui::Ui;
use crate::ui::table::{self, Cell, Table};

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<()> {
    if args.watch {
        return watch(context).await;
    }
    let status = context.shutdown.guard(current(context)).await?;
    show(context, &status)?;
    if status.healthy {
        return Ok(());
    }
    let about = status.stack.about();
    Err(Failure::Failed {
        cause: format!("stack {} is not healthy", status.stack),
        remedy: Remedy::words(format!(
            "{} repairs what has exited, is stuck or is missing; {} says why",
            about.command("up"),
            about.command("logs")
        )),
    }
    .into())
}

async fn current(context: &Context) -> Result<Status> {
    let (stack, found) = context.running().await?;
    let endpoints = connect::endpoints(&stack, &found.inventory, &context.paths)?;
    let memo = Memo::read(&context.paths.stack(&stack.name))?;
    let expected = Expected {
        name: &stack.name,
        paths: &context.paths,
        services: &memo.services,
        bridges: memo.bridges.is_some(),
    };
    status::status(&*found.runtime, &expected, &found.inventory, &endpoints).await
}

async fn watch(context: &Context) -> Result<()> {
    loop {
        let status = tokio::select! {
            () = context.shutdown.requested() => return Ok(()),
            status = current(context) => status?,
        };
        if Ui::stdout_is_terminal() && !context.ui.is_json() {
            Ui::print("\x1b[H\x1b[2J")?;
        }
        show(context, &status)?;
        tokio::select! {
            () = context.shutdown.requested() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

fn show(context: &Context, status: &Status) -> Result<()> {
    if context.ui.is_json() {
        return Ui::print(&format!("{}\n", serde_json::to_string(status)?));
    }
    let mut services = Table::new(&["SERVICE", "STATE", "HEALTH", "PORTS", "UPTIME", "MEMORY", "DETAIL"]);
    for service in &status.services {
        services.row(row(service));
    }
    for bridge in status.bridge.iter().flat_map(|bridge| &bridge.processes) {
        services.row(bridge_row(bridge));
    }
    let kafka = &status.kafka;
    let clients = status.mqtt_clients.map_or("unknown".to_owned(), |count| count.to_string());
    let replication = match (kafka.under_replicated, kafka.offline) {
        // ZooKeeper keeps the session of a broker that was killed for up to 18 s.
        (0, 0) if has_ended_broker(status) => "a broker's exit not noticed yet".to_owned(),
        (0, 0) => "all replicas in sync".to_owned(),
        (under, offline) => format!("{under} under-replicated, {offline} offline"),
    };
    let kafka = match kafka.brokers {
        0 => "no broker answers".to_owned(),
        brokers => {
            format!("{brokers} brokers, {} topics, {} partitions, {replication}", kafka.topics, kafka.partitions)
        }
    };
    Ui::print(&format!(
        "{}\nStack {} ({}) · {kafka} · MQTT clients: {clients}\n{}",
        services.render(),
        status.stack,
        status.runtime.as_str(),
        status.bridge.as_ref().map(bridge_words).unwrap_or_default(),
    ))
}

/// Its own line below the stack's.
fn bridge_words(bridge: &BridgeStatus) -> String {
    let journal = bridge.journal.filter(|journal| journal.limit_bytes > 0).map(|journal| {
        let since = if journal.messages > 0 {
            format!(", the oldest for {}", table::duration(i64::try_from(journal.age_seconds).unwrap_or(i64::MAX)))
        } else {
            String::new()
        };
        let limit = table::bytes(journal.limit_bytes);
        format!("{} in the journal{since} ({} of {limit})", messages(journal.messages), table::bytes(journal.bytes))
    });
    let state = match (bridge.healthy, bridge.degraded.is_empty()) {
        (false, _) => "nothing reaches Kafka".to_owned(),
        (true, true) => "active, with a standby".to_owned(),
        (true, false) => format!("degraded: {}", bridge.degraded.join("; ")),
    };
    let letters = (bridge.dead_letters > 0).then(|| dead_letters(bridge.dead_letters));
    let words: Vec<String> = [Some(state), journal, letters].into_iter().flatten().collect();
    format!("Bridge · {}\n", words.join(" · "))
}

fn has_ended_broker(status: &Status) -> bool {
    let mut brokers = status.services.iter().filter(|service| service.service.role == Role::Kafka);
    brokers.any(|broker| broker.state != State::Running)
}

fn row(service: &ServiceStatus) -> Vec<Cell> {
    let ports: Vec<String> = service.ports.iter().map(|port| port.port.to_string()).collect();
    vec![
        service.service.to_string().into(),
        state_words(service.state).into(),
        health(service.healthy),
        ports.join(" ").into(),
        service.uptime_seconds.map_or("-".to_owned(), table::duration).into(),
        service.memory_bytes.map_or("-".to_owned(), table::bytes).into(),
        service.detail.clone().into(),
    ]
}

fn bridge_row(bridge: &BridgeProcess) -> Vec<Cell> {
    let port = bridge.metrics.as_deref().and_then(|address| address.rsplit_once(':')).map_or("", |(_, port)| port);
    vec![
        bridge.bridge.to_string().into(),
        state_words(bridge.state).into(),
        health(bridge.healthy),
        port.into(),
        bridge.uptime_seconds.map_or("-".to_owned(), table::duration).into(),
        bridge.memory_bytes.map_or("-".to_owned(), table::bytes).into(),
        bridge.detail.clone().into(),
    ]
}

fn health(healthy: bool) -> Cell {
    if healthy { Cell::styled("ok", table::GOOD) } else { Cell::styled("not ok", table::ERROR) }
}

fn state_words(state: State) -> String {
    match state {
        State::Created => "created".to_owned(),
        State::Running => "running".to_owned(),
        State::Paused => "paused".to_owned(),
        State::Missing => "missing".to_owned(),
        State::Restarting => "restarting".to_owned(),
        State::Stopped => "stopped".to_owned(),
        State::Exited { code: Some(code) } => format!("exited ({code})"),
        State::Exited { code: None } => "exited".to_owned(),
    }
}
