//! Host ports: free before anything starts, or named with their owner and a remedy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::about::Remedy;
use crate::failure::Failure;
use crate::lifecycle::ephemeral;
use crate::paths::Paths;
use crate::runtime::{PortOwner, ports};
use crate::stack::{Member, Stack};

/// Offsets that are tried for a proposal.
const PROPOSALS: [u16; 6] = [100, 200, 300, 1000, 2000, 10_000];

/// For so long a port may be held by nobody: a process that ends gives up its ports last of all.
const ENDING: Duration = Duration::from_secs(3);
/// Between two looks at ports that nobody holds.
const INTERVAL: Duration = Duration::from_millis(50);

/// A wanted port that is in use, and by whom where that can be seen.
struct Taken {
    member: Member,
    port: u16,
    owner: Option<PortOwner>,
}

/// Refuses when a wanted port is in use; every taken one is named at once.
///
/// # Errors
/// [`Failure::PortTaken`].
pub async fn ensure_free(wanted: &[(Member, u16)], stack: &Stack, paths: &Paths) -> Result<()> {
    let deadline = Instant::now() + ENDING;
    loop {
        let busy: Vec<&(Member, u16)> = wanted.iter().filter(|(_, port)| is_taken(*port)).collect();
        if busy.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u16> = busy.iter().map(|(_, port)| *port).collect();
        let owners = ports::owners(&numbers, paths).await;
        let taken = busy.into_iter().zip(owners);
        let taken: Vec<Taken> =
            taken.map(|((member, port), owner)| Taken { member: *member, port: *port, owner }).collect();
        if taken.iter().all(|one| one.owner.is_some()) || Instant::now() >= deadline {
            return Err(refusal(&taken, proposal(wanted, stack)).into());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// One line and one remedy for each owner, however many ports it holds.
fn refusal(taken: &[Taken], proposal: Option<Remedy>) -> Failure {
    let mut lines: Vec<String> = Vec::new();
    let mut remedies: Vec<Remedy> = Vec::new();
    for (index, Taken { port, owner, .. }) in taken.iter().enumerate() {
        let same = |other: &&Taken| other.owner.is_some() && other.owner == *owner;
        if taken[..index].iter().any(|other| same(&other)) {
            continue;
        }
        let others: Vec<&Taken> = taken[index + 1..].iter().filter(same).collect();
        let PortOwner { description, remedy } = owner.clone().unwrap_or_else(|| unseen(*port));
        lines.push(format!("{} taken by {description}", ports_in_words(&taken[index], &others)));
        remedies.extend(remedy.filter(|remedy| !remedies.contains(remedy)));
    }
    remedies.extend(proposal);
    Failure::PortTaken { cause: lines.join("\n  "), remedy: Remedy::either(remedies) }
}

/// Whoever holds a port that nobody whom we can see listens on.
fn unseen(port: u16) -> PortOwner {
    // The system gives such ports to outgoing connections, which hold them as a server does.
    if !answers(Ipv4Addr::LOCALHOST.into(), port) && ephemeral::range().is_some_and(|range| range.contains(&port)) {
        return PortOwner {
            description: "an outgoing connection, to which the system assigned that port number".to_owned(),
            remedy: Some(Remedy::words(format!("find it: sudo ss -tanp 'sport = :{port}'"))),
        };
    }
    PortOwner {
        description: "a process of another user".to_owned(),
        remedy: Some(Remedy::words(format!("find it: sudo ss -ltnp 'sport = :{port}'"))),
    }
}

fn ports_in_words(first: &Taken, others: &[&Taken]) -> String {
    let one = |taken: &Taken| format!("{} ({})", taken.port, taken.member);
    if others.is_empty() {
        return format!("port {} is", one(first));
    }
    let all: Vec<String> = std::iter::once(one(first)).chain(others.iter().map(|taken| one(taken))).collect();
    format!("ports {} are", all.join(", "))
}

/// An offset at which all wanted ports are free.
fn proposal(wanted: &[(Member, u16)], stack: &Stack) -> Option<Remedy> {
    let moved = |port: u16, offset: u16| (port - stack.ports.offset).checked_add(offset);
    let free_at =
        |offset: &u16| wanted.iter().all(|(_, port)| moved(*port, *offset).is_some_and(|port| !is_taken(port)));
    let offset = PROPOSALS.into_iter().filter(|offset| *offset != stack.ports.offset).find(free_at)?;
    Some(stack.name.about().remedy(&format!("up --port-offset {offset}")))
}

/// Whether something listens on the port, on this or on all addresses.
///
/// Binding alone would not tell of a listener on another address of ours that shadows 127.0.0.1.
fn is_taken(port: u16) -> bool {
    // std sets SO_REUSEADDR, so connections that linger after their server has gone do not count.
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_err() || answers(Ipv6Addr::LOCALHOST.into(), port)
}

fn answers(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_millis(200)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Service;

    #[test]
    fn an_outgoing_connection_is_told_from_a_server() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let connection = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let port = connection.local_addr().unwrap().port();
        assert!(is_taken(port) && unseen(port).description.starts_with("an outgoing connection"));
        assert_eq!(unseen(server.local_addr().unwrap().port()).description, "a process of another user");
    }

    #[test]
    fn one_owner_of_many_ports_is_named_once_with_one_remedy() {
        let owner = |words: &str| {
            Some(PortOwner { description: words.to_owned(), remedy: Some(Remedy::words(format!("end {words}"))) })
        };
        let taken = |service: Service, port, owner| Taken { member: service.into(), port, owner };
        let failure = refusal(
            &[
                taken(Service::kafka(0), 9092, owner("stack a")),
                taken(Service::kafka(1), 9093, owner("java (pid 7)")),
                taken(Service::kafka(2), 9094, owner("stack a")),
                taken(Service::mosquitto(), 1883, None),
            ],
            Some(Remedy::words("move")),
        );
        assert_eq!(
            failure.to_string(),
            "ports 9092 (kafka-0), 9094 (kafka-2) are taken by stack a\n  \
             port 9093 (kafka-1) is taken by java (pid 7)\n  \
             port 1883 (mosquitto) is taken by a process of another user"
        );
        let remedy = "end stack a\n  or: end java (pid 7)\n  or: find it: sudo ss -ltnp 'sport = :1883'\n  or: move";
        assert_eq!(failure.remedy().unwrap().as_str(), remedy);
    }
}
