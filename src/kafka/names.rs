//! Names that brokers announce. Clients speak to each broker by its name, whatever address let them in.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::access::Access;
use super::cluster::Cluster;
use crate::about::Remedy;
use crate::failure::Failure;

/// How long names are looked up. One that is not known by then may be known later.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names that are shown.
const SHOWN: usize = 3;

/// The brokers whose names this machine does not know, as `host:port`.
///
/// # Errors
/// [`Failure::Failed`] when it knows none of them, so that no broker can be spoken to.
pub(super) fn unknown_names(cluster: &Cluster, access: &Access) -> Result<Vec<String>, Failure> {
    let host = |address: &str| address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    let reached: BTreeSet<String> = access.servers.iter().map(|server| host(server)).collect();
    let is_known = |address: &str| {
        let host = host(address);
        reached.contains(&host) || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    };
    let doubtful: Vec<String> = cluster.addresses.iter().filter(|address| !is_known(address)).cloned().collect();
    let missing = look_up(&doubtful);
    match missing.first() {
        Some((_, reason)) if missing.len() == cluster.addresses.len() => {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            Err(unknown(access, &names, reason))
        }
        _ => Ok(missing.into_iter().map(|(name, _)| name).collect()),
    }
}

/// The failure of whoever does not know how brokers are called.
pub(super) fn unknown(access: &Access, names: &[&str], reason: &str) -> Failure {
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    Failure::Failed {
        cause: format!(
            "Kafka at {} calls its brokers {shown}{more}, but this machine cannot resolve these names: {reason}",
            access.servers.join(",")
        ),
        remedy: Remedy::words(
            "make the names resolvable here, for example in /etc/hosts, or run where they resolve; forwarding a port \
             alone is not enough",
        ),
    }
}

/// What cannot be resolved, and why.
fn look_up(addresses: &[String]) -> Vec<(String, String)> {
    let (say, said) = channel();
    for address in addresses {
        let (say, address) = (say.clone(), address.clone());
        let work = move || {
            let found = address.to_socket_addrs().map(drop);
            let _ = say.send((address, found));
        };
        // The system's look-up takes no deadline: nobody waits for the thread.
        let _ = std::thread::Builder::new().name("names".to_owned()).spawn(work);
    }
    drop(say);
    let deadline = Instant::now() + PATIENCE;
    let mut unknown = Vec::new();
    while let Ok((address, found)) = said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Err(error) = found {
            let words = error.to_string();
            let reason =
                words.rsplit_once("failed to lookup address information: ").map_or(words.as_str(), |(_, why)| why);
            unknown.push((address, reason.to_owned()));
        }
    }
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::About;

    fn cluster(addresses: &[&str]) -> Cluster {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Cluster { brokers: vec![0], addresses, topics: Vec::new() }
    }

    #[test]
    fn names_that_are_not_known_are_told() {
        let about = About::elsewhere("a cluster".to_owned(), String::new());
        let access = Access { servers: vec!["forwarded:1".to_owned()], login: None, tls: None, about };
        let unknown = unknown_names(&cluster(&["kafka-0.invalid:9092", "kafka-1.invalid:9092"]), &access).unwrap_err();
        let words = unknown.to_string();
        assert!(words.starts_with("Kafka at forwarded:1 calls its brokers kafka-0.invalid:9092, kafka-1."), "{words}");
        let some = unknown_names(&cluster(&["kafka-0.invalid:9092", "127.0.0.1:1", "forwarded:2"]), &access).unwrap();
        assert_eq!(some, ["kafka-0.invalid:9092"]);
        let known = ["forwarded:1", "127.0.0.1:9092", "[::1]:9092"];
        assert_eq!(unknown_names(&cluster(&known), &access).unwrap(), Vec::<String>::new());
    }
}
