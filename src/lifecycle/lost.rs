//! Data that was removed by hand: said, never silently replaced by emptiness.

use std::collections::BTreeSet;

use crate::about::Remedy;
use crate::failure::Failure;
use crate::runtime::Inventory;
use crate::stack::{Role, Service, Stack};
use crate::workload::Workload;

use crate::memo::Memo;

/// Volumes of wanted services that the stack had when it was last ready, and has no longer.
pub fn volumes(wanted: &[Workload], memo: &Memo, actual: &Inventory) -> Vec<(Service, String)> {
    let is_lost = |name: &String| memo.volumes.contains(name) && !actual.volumes.contains(name);
    let of = |workload: &Workload| {
        let names = workload.volumes.iter().map(|volume| volume.name.clone()).filter(is_lost);
        names.map(|name| (workload.service, name)).collect::<Vec<_>>()
    };
    wanted.iter().flat_map(of).collect()
}

/// The refusal that lays the choice before the user. None where nothing is lost, or the user has chosen and the rest
/// of the stack can live with it.
pub fn refusal(stack: &Stack, lost: &[(Service, String)], accepted: bool) -> Option<Failure> {
    let services = |role| {
        let of_role = lost.iter().map(|(service, _)| service).filter(|service| service.role == role);
        of_role.collect::<BTreeSet<_>>().len()
    };
    if lost.is_empty() {
        return None;
    }
    let names = lost.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    let up = |options: &str| stack.name.about().command(&format!("up {options}"));
    let nodes = usize::from(stack.zookeeper.nodes);
    let quorum_lost = services(Role::Zookeeper) > nodes - (nodes / 2 + 1);
    if quorum_lost {
        return Some(Failure::Failed {
            cause: format!(
                "data of stack {} was removed by hand: {names}. Most of ZooKeeper's is gone, and with it the list of \
                 the brokers' topics",
                stack.name
            ),
            remedy: Remedy::words(format!("restore those volumes, or start over without any data: {}", up("--fresh"))),
        });
    }
    if accepted {
        return None;
    }
    let consequence = consequence(services(Role::Kafka), usize::from(stack.kafka.replication_factor()), lost);
    Some(Failure::Failed {
        cause: format!("data of stack {} was removed by hand: {names}", stack.name),
        remedy: Remedy::words(format!(
            "restore it, or continue with empty volumes: {} ({consequence})",
            up("--accept-data-loss")
        )),
    })
}

fn consequence(brokers: usize, replicas: usize, lost: &[(Service, String)]) -> String {
    let mut words: Vec<&str> = Vec::new();
    if brokers > 0 {
        words.push(if brokers < replicas {
            "the brokers copy their partitions from the other replicas"
        } else {
            "Kafka's messages are gone"
        });
    }
    if lost.iter().any(|(service, _)| service.role == Role::Zookeeper) {
        words.push("the ensemble copies its state to the node");
    }
    if lost.iter().any(|(service, _)| service.role == Role::Mosquitto) {
        words.push("Mosquitto's retained and queued messages are gone");
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::load::{Overrides, load};

    fn words(lost: &[(Service, &str)], accepted: bool) -> Option<(String, String)> {
        let stack = load(None, &Overrides::default()).unwrap().stack;
        let lost: Vec<_> = lost.iter().map(|(service, name)| (*service, (*name).to_owned())).collect();
        refusal(&stack, &lost, accepted).map(|failure| (failure.to_string(), failure.remedy().unwrap().to_string()))
    }

    #[test]
    fn one_broker_heals_from_the_others_if_the_user_says_so() {
        let lost = [(Service::kafka(1), "kafka-1-data")];
        let (cause, remedy) = words(&lost, false).unwrap();
        assert_eq!(cause, "data of stack sos was removed by hand: kafka-1-data");
        assert!(remedy.ends_with("--accept-data-loss (the brokers copy their partitions from the other replicas)"));
        assert_eq!(words(&lost, true), None);
    }

    #[test]
    fn without_a_majority_of_zookeeper_nothing_can_go_on() {
        let one = [(Service::zookeeper(0), "zookeeper-0-data"), (Service::zookeeper(0), "zookeeper-0-datalog")];
        assert_eq!(words(&one, true), None);
        let two = [one[0], (Service::zookeeper(1), "zookeeper-1-data")];
        assert!(words(&two, true).unwrap().1.contains("--fresh"));
    }

    #[test]
    fn nothing_lost_is_nothing_said() {
        assert_eq!(words(&[], false), None);
    }
}
