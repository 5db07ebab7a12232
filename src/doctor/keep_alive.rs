//! Clients that Mosquitto turned away of late for their keep alive: what they hear does not say so.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use jiff::{Timestamp, ToSpan};

use super::Finding;
use crate::about::{About, Remedy};
use crate::lifecycle::up::Up;
use crate::mqtt::keep_alive::{Log, TurnedAway};
use crate::runtime::{Inventory, LogQuery};
use crate::stack::{Role, Service};

/// The newest lines that are looked at: a busy server writes three a connection.
const LINES: usize = 5000;
/// As many are named.
const NAMED: usize = 3;

/// A warning where there are such clients. A log that cannot be read is not a finding.
pub(super) async fn check(up: &Up<'_>, inventory: &Inventory) -> Option<Finding> {
    let mosquitto = &up.stack.mosquitto;
    let server = inventory.instances.iter().find(|instance| instance.service.role == Role::Mosquitto)?;
    let recently = Timestamp::now() - 1.hour();
    let query = LogQuery {
        services: vec![Service::mosquitto()],
        since: Some(server.started.map_or(recently, |started| started.max(recently))),
        tail: Some(LINES),
        follow: false,
    };
    let mut lines = up.runtime.logs(&up.stack.name, query).await.ok()?;
    let mut log = Log::new(mosquitto.keep_alive_limit());
    let mut clients: BTreeMap<String, TurnedAway> = BTreeMap::new();
    while let Some(Ok(line)) = lines.next().await {
        if let Some(client) = log.read(&line.text) {
            clients.insert(client.client.clone(), client);
        }
    }
    finding(&up.stack.name.about(), mosquitto.max_keepalive, &clients.into_values().collect::<Vec<_>>())
}

fn finding(about: &About, limit: u16, clients: &[TurnedAway]) -> Option<Finding> {
    if clients.is_empty() {
        return None;
    }
    let named: Vec<String> =
        clients.iter().take(NAMED).map(|client| format!("{} wants {}", client.client, client.asked())).collect();
    let more = clients.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(Finding::warning(
        "Mosquitto",
        format!(
            "MQTT 3 clients were refused with \"identifier rejected\" within the last hour, because the maximum keep \
             alive is {limit} s: {}{more}",
            named.join(", ")
        ),
        Remedy::words(format!(
            "set their keep alive to 1 to {limit} s, or change mosquitto.max_keepalive in the stack file, then {}",
            about.command("up")
        )),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_few_are_named() {
        let about = About::this_machine();
        assert_eq!(finding(&about, 300, &[]), None);
        let client = |number: u32| TurnedAway { client: format!("c{number}"), seconds: number * 600 };
        let words = finding(&about, 300, &(0..5).map(client).collect::<Vec<_>>()).unwrap().words;
        assert!(
            words.ends_with("c0 wants no keep alive at all, c1 wants a keep alive of 600 s, c2 wants a keep alive of 1200 s, and 2 more"),
            "{words}"
        );
    }
}
