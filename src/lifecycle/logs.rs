//! What services wrote, line by line, and what becomes clear from it.

use std::collections::HashSet;

use anyhow::Result;
use futures_util::StreamExt;

use crate::event::{Event, Report};
use crate::mqtt::keep_alive;
use crate::runtime::{LogLine, LogQuery, Runtime};
use crate::shutdown::Shutdown;
use crate::stack::{Role, Stack};

/// Gives every line to `each`, until there are no more or a signal comes, which is the end of a query that follows. Reports
/// clients that Mosquitto refused for their keep alive, each once.
///
/// # Errors
/// Those of `each`; when the runtime does not tell; [`crate::failure::Failure::Interrupted`] when a signal comes.
pub async fn read(
    runtime: &dyn Runtime,
    stack: &Stack,
    query: LogQuery,
    each: &mut (dyn FnMut(&LogLine) -> Result<()> + Send),
    report: Report<'_>,
    shutdown: &Shutdown,
) -> Result<()> {
    let follows = query.follow;
    let mut lines = shutdown.guard(runtime.logs(&stack.name, query)).await?;
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
        if line.service.role != Role::Mosquitto {
            continue;
        }
        if let Some(client) = mosquitto.read(&line.text).filter(|client| told.insert(client.client.clone())) {
            report(Event::Note(format!(
                "{} was refused as \"identifier rejected\": it wants {}, and mosquitto.max_keepalive is {limit} s",
                client.client,
                client.asked()
            )));
        }
    }
}
