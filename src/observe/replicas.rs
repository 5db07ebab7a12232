//! Whether brokers are there, and partitions led and in sync.

use std::cmp::Reverse;

use crate::kafka::admin::{Cluster, PartitionState, TopicState};
use crate::stack::{Role, Service, Stack};

/// Counts of partitions, Kafka's own and the probe's included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    pub partitions: usize,
    /// Nobody leads them.
    pub offline: usize,
    /// Fewer replicas in sync than `acks=all` needs.
    pub unwritable: usize,
    /// Fewer replicas in sync than they should have.
    pub under_replicated: usize,
}

impl Replicas {
    /// `least`: replicas in sync that `acks=all` needs.
    pub fn of(cluster: &Cluster, least: usize) -> Self {
        let count = |is: &dyn Fn(&PartitionState) -> bool| partitions(cluster).filter(|p| is(p)).count();
        Self {
            partitions: partitions(cluster).count(),
            offline: count(&|partition| partition.leader.is_none()),
            unwritable: count(&|partition| partition.isr.len() < least),
            under_replicated: count(&|partition| partition.isr.len() < partition.replicas.len()),
        }
    }
}

/// Of what several brokers say of their cluster, what leaves the least to be hoped for.
pub fn worst(first: Cluster, more: impl IntoIterator<Item = Cluster>) -> Cluster {
    let health = |cluster: &Cluster| {
        let Replicas { offline, under_replicated, .. } = Replicas::of(cluster, 1);
        (Reverse(offline), Reverse(under_replicated), cluster.brokers.len(), cluster.topics.len())
    };
    more.into_iter().fold(first, |worst, other| if health(&other) < health(&worst) { other } else { worst })
}

fn partitions(cluster: &Cluster) -> impl Iterator<Item = &PartitionState> {
    cluster.topics.iter().flat_map(|topic| &topic.partitions)
}

/// Those of the services that are brokers and not registered in the cluster.
pub fn unregistered(services: impl IntoIterator<Item = Service>, cluster: &Cluster) -> Vec<Service> {
    let brokers = services.into_iter().filter(|service| service.role == Role::Kafka);
    brokers.filter(|service| !cluster.brokers.contains(&i32::from(service.ordinal))).collect()
}

/// What the cluster says of a broker, or why it is not healthy.
pub fn broker(cluster: &Cluster, service: Service) -> Result<String, String> {
    let id = i32::from(service.ordinal);
    if !cluster.brokers.contains(&id) {
        return Err("not registered in the cluster".to_owned());
    }
    let leads = partitions(cluster).filter(|partition| partition.leader == Some(id)).count();
    let holds = partitions(cluster).filter(|partition| partition.replicas.contains(&id)).count();
    let in_sync = partitions(cluster).filter(|partition| partition.isr.contains(&id)).count();
    Ok(format!("leads {leads}, in sync {in_sync}/{holds}"))
}

/// Topics of the stack that are missing, or have too few partitions.
pub fn short_topics<'a>(stack: &'a Stack, cluster: &Cluster) -> Vec<&'a str> {
    let has = |name: &str| cluster.topic(name).map_or(0, |topic| topic.partitions.len());
    let short = |topic: &&crate::stack::Topic| has(&topic.name) < usize::from(topic.partitions);
    stack.topics.iter().filter(short).map(|topic| topic.name.as_str()).collect()
}

/// Partitions of the stack's topics, when all topics of the cluster are led and fully replicated.
///
/// # Errors
/// The topics that are not, in words.
pub fn in_sync(stack: &Stack, cluster: &Cluster) -> Result<usize, String> {
    let missing = stack.topics.iter().find(|topic| cluster.topic(&topic.name).is_none());
    if let Some(topic) = missing {
        return Err(format!("topic {} does not exist yet", topic.name));
    }
    let lagging = cluster.topics.iter().filter(|topic| !topic.is_fully_replicated());
    let names: Vec<&str> = lagging.map(|topic| topic.name.as_str()).collect();
    let partitions = |topic: &TopicState| topic.partitions.len();
    match names.as_slice() {
        [] => Ok(stack.topics.iter().filter_map(|topic| cluster.topic(&topic.name)).map(partitions).sum()),
        [one] => Err(format!("replicas of {one} are not in sync")),
        [first, rest @ ..] => Err(format!("replicas of {first} and {} more topics are not in sync", rest.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(id: i32, leader: Option<i32>, isr: &[i32]) -> PartitionState {
        PartitionState { id, leader, replicas: vec![0, 1, 2], isr: isr.to_vec() }
    }

    fn cluster(brokers: &[i32], partitions: Vec<PartitionState>) -> Cluster {
        let topic = TopicState { name: "audit.access".to_owned(), partitions };
        Cluster { brokers: brokers.to_vec(), addresses: Vec::new(), topics: vec![topic] }
    }

    #[test]
    fn partitions_are_counted_by_what_is_wrong_with_them() {
        let states = vec![partition(0, Some(0), &[0, 1, 2]), partition(1, Some(2), &[2]), partition(2, None, &[])];
        let replicas = Replicas::of(&cluster(&[0, 2], states), 2);
        assert_eq!(replicas, Replicas { partitions: 3, offline: 1, unwritable: 2, under_replicated: 2 });
    }

    #[test]
    fn the_worst_view_is_believed() {
        // What a broker says that stood still: that all is as it was.
        let stale = cluster(&[0, 1, 2], vec![partition(0, Some(0), &[0, 1, 2])]);
        let lagging = cluster(&[0, 1, 2], vec![partition(0, Some(0), &[0, 2])]);
        let led_by_nobody = cluster(&[0, 1, 2], vec![partition(0, None, &[0, 1])]);
        let fewer = cluster(&[0, 2], vec![partition(0, Some(0), &[0, 1, 2])]);
        for other in [lagging, led_by_nobody, fewer] {
            assert_eq!(worst(stale.clone(), [other.clone()]), other);
            assert_eq!(worst(other.clone(), [stale.clone()]), other);
        }
    }

    #[test]
    fn a_broker_is_known_by_its_id_not_by_its_place() {
        let cluster = cluster(&[0, 2], vec![partition(0, Some(2), &[0, 2])]);
        let all = [Service::zookeeper(1), Service::kafka(0), Service::kafka(1), Service::kafka(2)];
        assert_eq!(unregistered(all, &cluster), [Service::kafka(1)]);
        assert_eq!(broker(&cluster, Service::kafka(2)), Ok("leads 1, in sync 1/1".to_owned()));
        assert!(broker(&cluster, Service::kafka(1)).is_err());
    }
}
