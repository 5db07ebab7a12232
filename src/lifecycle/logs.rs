//! What services wrote, line by line, and what becomes clear from it.

use std::collections::HashSet;

use anyhow::Result;
use futures_util::StreamExt;

use crate::event::{Event, Report};
use crate::mqtt::keep_alive;
use crate::runtime::bridges::Hosted;
use crate::runtime::{LogLine, LogQuery, Runtime, merged};
use crate::shutdown::Shutdown;
use crate::stack::{Bridge, Member, Service, Stack};

/// Whose lines are asked for.
pub struct Asked<'a> {
    pub stack: &'a Stack,
    pub runtime: &'a dyn Runtime,
    /// The stack's, if bridges are asked for.
    pub hosted: &'a Hosted,
    pub bridges: &'a [Bridge],
    /// Of the services; empty where it asks for none is as everywhere: all of them.
    pub query: LogQuery,
}

async fn lines(asked: Asked<'_>) -> Result<merged::Lines> {
    let Asked { stack, runtime, hosted, bridges, query } = asked;
    let follows = query.follow;
    let of_bridges = (!bridges.is_empty()).then(|| hosted.logs(bridges, &query));
    // No service at all would be taken for all of them.
    let only_bridges = query.services.is_empty() && of_bridges.is_some();
    let of_services = if only_bridges { None } else { Some(runtime.logs(&stack.name, query).await?) };
    let sources = of_services.into_iter().chain(of_bridges).collect();
    Ok(if follows { merged::as_they_come(sources) } else { merged::by_time(sources) })
}

/// Gives every line to `each`, until there are no more or a signal comes, which is the end of a query that follows. Reports
/// clients that Mosquitto refused for their keep alive, each once.
///
/// # Errors
/// Those of `each`; when the runtime does not tell; [`crate::failure::Failure::Interrupted`] when a signal comes.
pub async fn read(
    asked: Asked<'_>,
    each: &mut (dyn FnMut(&LogLine) -> Result<()> + Send),
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    let stack = asked.stack;
    let follows = asked.query.follow;
    let mut lines = shutdown.guard(lines(asked)).await?;
    let limit = stack.mosquitto.max_keepalive;
    let mut mosquitto = keep_alive::Log::new(stack.mosquitto.keep_alive_limit());
    let mut told = HashSet::new();
    loop {
        let line = tokio::select! {
            () = shutdown.requested() => {
                return if follows { Ok(()) } else { Err(shutdown.interrupted().into()) };
            }
            line = lines.next() => line,
        };
        let Some(line) = line.transpose()? else { return Ok(()) };
        each(&line)?;
        if line.service != Member::from(Service::mosquitto()) {
            continue;
        }
        if let Some(client) = mosquitto.read(&line.text).filter(|client| told.insert(client.client.clone())) {
            report(Event::Note(format!(
                "{} was refused with \"identifier rejected\": it wants {}, but mosquitto.max_keepalive is {limit} s",
                client.client,
                client.asked()
            )));
        }
    }
}
