//! `zoo.cfg`. Numbers: tickTime 2000 ms, initLimit 10, syncLimit 5, purge keeps 3 snapshots every 24 h.

use std::path::Path;

use super::properties::Properties;
use crate::stack::names::cluster_name;
use crate::stack::ports::PortName;
use crate::stack::{Service, Stack};
use crate::target::Target;

/// The four-letter words that answer; all others are refused.
pub const FOUR_LETTER_WORDS: &str = "stat,ruok,conf,isro,mntr,srvr";

/// Logs of transactions grow by so many KiB at a time, instead of 64 MiB each.
pub const SMALL_LOGS: (&str, &str) = ("zookeeper.preAllocSize", "64");

/// The node's number in the ensemble, from 1.
pub fn myid(service: Service) -> u16 {
    service.ordinal + 1
}

/// One node's configuration.
pub fn zoo_cfg(stack: &Stack, service: Service, target: &Target, data: &Path, log: &Path) -> String {
    let mut properties = Properties::default();
    properties
        .set("dataDir", data.display())
        .set("dataLogDir", log.display())
        .set("tickTime", 2000)
        .set("initLimit", 10)
        .set("syncLimit", 5)
        .set("autopurge.snapRetainCount", 3)
        .set("autopurge.purgeInterval", 24)
        .set("4lw.commands.whitelist", FOUR_LETTER_WORDS)
        .set("admin.enableServer", false)
        // A laptop's whole stack comes from one address; the default of 60 is for one client each.
        .set("maxClientCnxns", 1000);
    match target {
        Target::Docker | Target::Kubernetes => {
            properties.set("clientPort", PortName::Zookeeper.number()).set("quorumListenOnAllIPs", true)
        }
        Target::Process(_) => {
            properties.set("clientPort", stack.ports.zookeeper(service.ordinal)).set("clientPortAddress", "127.0.0.1")
        }
    };
    if stack.zookeeper.nodes > 1 {
        for peer in (0..stack.zookeeper.nodes).map(Service::zookeeper) {
            properties.set(format!("server.{}", myid(peer)), peer_address(stack, peer, target));
        }
    }
    properties.render()
}

/// `logback.xml` of a node in a cluster: to the console, where the cluster collects it.
pub fn logback() -> String {
    LOGBACK.to_owned()
}

const LOGBACK: &str = r#"<configuration>
  <appender name="CONSOLE" class="ch.qos.logback.core.ConsoleAppender">
    <encoder>
      <pattern>%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p [myid:%X{myid}] %m \(%c{0}\)%n</pattern>
    </encoder>
  </appender>
  <root level="INFO">
    <appender-ref ref="CONSOLE"/>
  </root>
</configuration>
"#;

fn peer_address(stack: &Stack, peer: Service, target: &Target) -> String {
    match target {
        Target::Docker | Target::Kubernetes => {
            let [peer_port, election] = [PortName::ZookeeperPeer, PortName::ZookeeperElection].map(PortName::number);
            format!("{}:{peer_port}:{election}", cluster_name(stack, peer))
        }
        Target::Process(_) => {
            let (peer_port, election) =
                (stack.ports.zookeeper_peer(peer.ordinal), stack.ports.zookeeper_election(peer.ordinal));
            format!("127.0.0.1:{peer_port}:{election}")
        }
    }
}
