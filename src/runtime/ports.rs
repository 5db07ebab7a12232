//! Who holds ports of this machine, whichever runtime is to be used: stacks of the other one hold ports too.

use super::PortOwner;
use super::docker::Docker;
use super::process::Process;
use crate::about::Remedy;
use crate::paths::Paths;

/// The owners of ports, in their order; None where nobody holds one whom we can see. Docker is asked if it answers.
pub async fn owners(ports: &[u16], paths: &Paths) -> Vec<Option<PortOwner>> {
    let (process, docker) = (Process::new(paths, None), Docker::connect().await.ok());
    let mut owners = Vec::with_capacity(ports.len());
    for port in ports {
        owners.push(owner(*port, &process, docker.as_ref()).await);
    }
    owners
}

async fn owner(port: u16, process: &Process, docker: Option<&Docker>) -> Option<PortOwner> {
    if let Some(owner) = process.port_owner(port) {
        return Some(owner);
    }
    if let Some(docker) = docker
        && let Ok(Some(owner)) = docker.port_owner(port).await
    {
        return Some(owner);
    }
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some(PortOwner {
        description: format!("{} (pid {})", process.name, process.pid),
        remedy: Some(Remedy::words(format!("end it: kill {}", process.pid))),
    })
}
