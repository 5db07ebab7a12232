//! What a failure to become ready shows: the cause, the last log lines, the next command.

use std::time::Duration;

use futures_util::StreamExt;

use super::ready::Unready;
use crate::failure::Failure;
use crate::runtime::{LogQuery, Runtime};
use crate::stack::StackName;

/// Log lines shown of each service that is to blame.
const LINES: usize = 15;

/// The failure for a layer that did not become ready.
pub async fn not_ready(runtime: &dyn Runtime, name: &StackName, unready: Unready, waited: Duration) -> Failure {
    let evidence = last_lines(runtime, name, &unready, LINES).await;
    let remedy = name.about().remedy(&match unready.services.as_slice() {
        [one] => format!("logs {one}"),
        [first, ..] => format!("logs {}", first.role.as_str()),
        [] => "status".to_owned(),
    });
    Failure::NotReady { cause: unready.cause, evidence, remedy, waited }
}

/// The newest lines of the services to blame, each with its service's name.
pub async fn last_lines(runtime: &dyn Runtime, name: &StackName, unready: &Unready, count: usize) -> Vec<String> {
    let query = LogQuery { services: unready.services.clone(), tail: Some(count), ..LogQuery::default() };
    let Ok(lines) = runtime.logs(name, query).await else { return Vec::new() };
    let lines: Vec<String> =
        lines.filter_map(async |line| line.ok().map(|line| format!("{}  {}", line.service, line.text))).collect().await;
    lines[lines.len().saturating_sub(count)..].to_vec()
}
