//! What programs in the cluster print, as the facts that `observe` judges.

use std::collections::BTreeMap;

use super::answers::Answer;
use crate::kafka::admin::{PartitionState, TopicState};
use crate::zookeeper::Mode;

/// A node's role in its answer to `srvr`; None where it serves nobody.
pub(super) fn mode(answer: &Answer) -> Option<Mode> {
    answer.stdout.lines().find_map(|line| line.strip_prefix("Mode: ")).and_then(Mode::named)
}

/// The ids under which brokers are registered, as `zkCli.sh ls` prints them: `[0, 1, 2]`.
pub(super) fn brokers(answer: &Answer) -> Option<Vec<i32>> {
    let list = answer.stdout.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'))?;
    Some(list.split(',').filter_map(|id| id.trim().parse().ok()).collect())
}

/// How long a press took, as `sosstack bridge probe` prints it, or why it did not arrive; None where it says neither.
pub(super) fn press(answer: &Answer) -> Option<Result<f64, String>> {
    let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
    let said = [&answer.stdout, &answer.stderr].into_iter().find_map(read)?;
    let why = said["error"]["message"].as_str().map(|why| Err(why.to_owned()));
    why.or_else(|| said["milliseconds"].as_f64().map(Ok))
}

/// All topics, as `kafka-topics.sh --describe` prints their partitions.
pub(super) fn topics(answer: &Answer) -> Vec<TopicState> {
    let mut topics: BTreeMap<&str, Vec<PartitionState>> = BTreeMap::new();
    for line in answer.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after =
            |label: &str| words.iter().position(|word| *word == label).and_then(|at| words.get(at + 1)).copied();
        let ids = |label: &str| {
            let list = after(label).into_iter().flat_map(|list| list.split(','));
            list.filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()
        };
        let id = after("Partition:").and_then(|id| id.parse().ok());
        if let (Some(name), Some(id)) = (after("Topic:"), id) {
            // Nobody leads it where this says `none`.
            let leader = after("Leader:").and_then(|leader| leader.parse().ok());
            topics.entry(name).or_default().push(PartitionState {
                id,
                leader,
                replicas: ids("Replicas:"),
                isr: ids("Isr:"),
            });
        }
    }
    topics.into_iter().map(|(name, partitions)| TopicState { name: name.to_owned(), partitions }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str) -> Answer {
        Answer { success: true, stdout: stdout.to_owned(), stderr: String::new() }
    }

    #[test]
    fn what_is_printed_is_read_as_facts() {
        assert_eq!(mode(&said("Zookeeper version: 3.9.3\nMode: follower\n")), Some(Mode::Follower));
        assert_eq!(mode(&said("This ZooKeeper instance is not currently serving requests\n")), None);
        assert_eq!(brokers(&said("Connecting to 127.0.0.1\n[0, 2]\n")), Some(vec![0, 2]));
        let printed = "Topic: a\tTopicId: x\tPartitionCount: 1\tReplicationFactor: 3\tConfigs: \n\
                       \tTopic: a\tPartition: 0\tLeader: none\tReplicas: 0,1,2\tIsr: 1\tElr: N/A\n";
        let partition = PartitionState { id: 0, leader: None, replicas: vec![0, 1, 2], isr: vec![1] };
        let topic = TopicState { name: "a".to_owned(), partitions: vec![partition] };
        assert_eq!(topics(&said(printed)), [topic]);
    }
}
