//! Which container publishes a port of this machine, and ports that turn out to be taken.

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;

use super::{answers, labels};
use crate::about::Remedy;
use crate::failure::Failure;
use crate::runtime::PortOwner;
use crate::stack::Service;

pub(super) async fn owner(docker: &Docker, port: u16) -> Result<Option<PortOwner>> {
    let running = docker.list_containers(None::<ListContainersOptions>).await.context("listing Docker's containers")?;
    Ok(running.iter().find(|container| publishes(container, port)).map(describe))
}

/// Published on another address than ours, a port is free for us.
fn publishes(container: &ContainerSummary, port: u16) -> bool {
    container.ports.iter().flatten().any(|published| {
        let address = published.ip.as_deref().unwrap_or_default();
        published.public_port == Some(port) && ["", "0.0.0.0", "127.0.0.1", "::"].contains(&address)
    })
}

fn describe(container: &ContainerSummary) -> PortOwner {
    let id = container.id.as_deref().unwrap_or_default();
    let name = container.names.iter().flatten().next().map_or(id, |name| name.trim_start_matches('/'));
    let stack = container.labels.as_ref().and_then(labels::stack);
    match stack {
        Some(stack) => PortOwner {
            description: format!("stack {stack}, which runs in Docker"),
            remedy: Some(stack.about_another().remedy("down")),
        },
        None => PortOwner {
            description: format!("container {name} (image {})", container.image.as_deref().unwrap_or_default()),
            remedy: Some(Remedy::words(format!("docker stop {name}"))),
        },
    }
}

/// A start loses the race for a port that was free when it was looked at.
pub(super) fn taken(error: &Error, service: Service) -> Option<Failure> {
    let words = answers::words(error);
    let taken = ["port is already allocated", "address already in use"].iter().any(|mark| words.contains(mark));
    taken.then(|| Failure::PortTaken {
        cause: format!("a port of {service} is in use: {words}"),
        remedy: Remedy::words("stop whatever uses it, or move the whole stack: --port-offset 100"),
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::PortSummary;

    use super::*;

    fn container(address: &str, labels: labels::Map) -> ContainerSummary {
        ContainerSummary {
            names: Some(vec!["/grafana".to_owned()]),
            image: Some("grafana/grafana".to_owned()),
            labels: Some(labels),
            ports: Some(vec![PortSummary {
                ip: Some(address.to_owned()),
                private_port: 80,
                public_port: Some(1883),
                typ: None,
            }]),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_strangers_container_is_stopped_and_another_stack_taken_down() {
        let stranger = container("0.0.0.0", labels::Map::new());
        assert!(publishes(&stranger, 1883) && !publishes(&stranger, 80));
        assert!(!publishes(&container("192.0.2.7", labels::Map::new()), 1883));
        let owner = describe(&stranger);
        assert_eq!(owner.description, "container grafana (image grafana/grafana)");
        assert_eq!(owner.remedy.unwrap().as_str(), "docker stop grafana");

        let ours = container("127.0.0.1", labels::of_network(&"other".parse().unwrap(), 0));
        assert_eq!(describe(&ours).remedy.unwrap().as_str(), "sosstack down --stack other");
    }
}
