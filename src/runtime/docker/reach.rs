//! Whether a daemon is on this machine: what its containers publish on 127.0.0.1 is reached there only.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Whether the daemon at an address of `DOCKER_HOST`'s form is on this machine. One that no name server knows counts as
/// here: to reach it fails with words of its own.
pub(super) async fn is_here(host: &str) -> bool {
    let Some((scheme, rest)) = host.split_once("://") else { return true };
    match scheme {
        "ssh" => false,
        "tcp" | "http" | "https" => {
            let Ok(url) = url::Url::parse(&format!("http://{rest}")) else { return true };
            match url.host() {
                None => true,
                Some(url::Host::Ipv4(address)) => is_ours(address.into()),
                Some(url::Host::Ipv6(address)) => is_ours(address.into()),
                Some(url::Host::Domain(name)) => {
                    let Ok(addresses) = tokio::net::lookup_host((name, 0)).await else { return true };
                    let addresses: Vec<SocketAddr> = addresses.collect();
                    addresses.is_empty() || addresses.iter().any(|address| is_ours(address.ip()))
                }
            }
        }
        _ => true,
    }
}

/// Only addresses of this machine can be bound to.
fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_here_and_other_hosts_are_not() {
        for host in ["unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2376", "https://[::1]:2376"] {
            assert!(is_here(host).await, "{host}");
        }
        for host in ["ssh://me@127.0.0.1", "tcp://192.0.2.7:2375", "https://[2001:db8::7]:2376"] {
            assert!(!is_here(host).await, "{host}");
        }
    }
}
