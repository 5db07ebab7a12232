//! Host ports: free before anything starts, or named with their owner and a remedy.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::about::Remedy;
use crate::failure::Failure;
use crate::runtime::{PortOwner, Runtime};
use crate::stack::{Service, Stack};
use crate::workload::PublishedPort;

/// Offsets that are tried for a proposal.
const PROPOSALS: [u16; 6] = [100, 200, 300, 1000, 2000, 10_000];

/// For so long a port may be held by nobody: a process that ends gives up its ports last of all.
const ENDING: Duration = Duration::from_secs(3);
/// Between two looks at ports that nobody holds.
const INTERVAL: Duration = Duration::from_millis(50);

/// Refuses when a wanted port is in use; every taken one is named at once.
///
/// # Errors
/// [`Failure::PortTaken`].
pub async fn ensure_free(wanted: &[(Service, PublishedPort)], stack: &Stack, runtime: &dyn Runtime) -> Result<()> {
    let deadline = Instant::now() + ENDING;
    loop {
        let taken: Vec<&(Service, PublishedPort)> = wanted.iter().filter(|(_, port)| is_taken(port.host)).collect();
        if taken.is_empty() {
            return Ok(());
        }
        let mut owned: Vec<(&(Service, PublishedPort), Option<PortOwner>)> = Vec::new();
        for one in taken {
            owned.push((one, owner(one.1.host, runtime).await));
        }
        if owned.iter().all(|(_, owner)| owner.is_some()) || Instant::now() >= deadline {
            return Err(refusal(owned, proposal(wanted, stack)).into());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn refusal(owned: Vec<(&(Service, PublishedPort), Option<PortOwner>)>, proposal: Option<Remedy>) -> Failure {
    let mut cause = String::new();
    let mut remedies: Vec<Remedy> = Vec::new();
    for ((service, port), owner) in owned {
        let owner = owner.unwrap_or_else(|| PortOwner {
            description: "a process of another user".to_owned(),
            remedy: Some(Remedy::words(format!("find it: sudo ss -ltnp 'sport = :{}'", port.host))),
        });
        let separator = if cause.is_empty() { "" } else { "\n  " };
        let _ = write!(cause, "{separator}port {} ({service}) is taken by {}", port.host, owner.description);
        remedies.extend(owner.remedy.filter(|remedy| !remedies.contains(remedy)));
    }
    remedies.extend(proposal);
    Failure::PortTaken { cause, remedy: Remedy::either(remedies) }
}

/// An offset at which all wanted ports are free.
fn proposal(wanted: &[(Service, PublishedPort)], stack: &Stack) -> Option<Remedy> {
    let moved = |port: u16, offset: u16| (port - stack.ports.offset).checked_add(offset);
    let free_at =
        |offset: &u16| wanted.iter().all(|(_, port)| moved(port.host, *offset).is_some_and(|port| !is_taken(port)));
    let offset = PROPOSALS.into_iter().filter(|offset| *offset != stack.ports.offset).find(free_at)?;
    Some(stack.name.about().remedy(&format!("up --port-offset {offset}")))
}

/// Whether something listens on the port, on this or on all addresses.
///
/// Binding alone would not tell of a listener on another address of ours that shadows 127.0.0.1.
fn is_taken(port: u16) -> bool {
    // std sets SO_REUSEADDR, so connections that linger after their server has gone do not count.
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let wide_v6 =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv6Addr::LOCALHOST, port)), Duration::from_millis(200));
    bound.is_err() || wide_v6.is_ok()
}

/// None where nobody holds it whom we can see.
async fn owner(port: u16, runtime: &dyn Runtime) -> Option<PortOwner> {
    if let Ok(Some(owner)) = runtime.port_owner(port).await {
        return Some(owner);
    }
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some(PortOwner {
        description: format!("{} (pid {})", process.name, process.pid),
        remedy: Some(Remedy::words(format!("end it: kill {}", process.pid))),
    })
}
