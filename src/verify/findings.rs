//! What the answers mean: one finding for each part, with the remedy where it is not as it should be.
//!
//! `observe` judges ensemble, brokers and partitions, as for a stack of this machine. What is here is what kubectl adds:
//! pods, and logins, which a script tried inside the cluster and has judged already.

use schemars::JsonSchema;
use serde::Serialize;

use super::answers::{Answer, Pod};
use super::checks::{Check, Question, has_bridge};
use super::said;
use crate::export::kubernetes::Component;
use crate::kafka::admin::{Cluster, TopicState};
use crate::observe::{Quorum, quorum, replicas};
use crate::stack::Stack;
use crate::zookeeper::Mode;

/// What came of asking about one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Such as "ZooKeeper quorum".
    pub part: &'static str,
    pub ok: bool,
    /// What was found, in a line.
    pub detail: String,
    /// What to type where it is not ok; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// What came of asking about all of them; `sosstack verify k8s --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verified {
    pub namespace: String,
    /// Whether every part works.
    pub ok: bool,
    pub checks: Vec<Finding>,
}

impl Verified {
    pub fn of(namespace: &str, checks: Vec<Finding>) -> Self {
        Self { namespace: namespace.to_owned(), ok: checks.iter().all(|check| check.ok), checks }
    }

    /// What does not work.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().filter(|check| !check.ok)
    }
}

fn good(part: &'static str, detail: String) -> Finding {
    Finding { part, ok: true, detail, remedy: String::new() }
}

fn bad(part: &'static str, detail: String, remedy: String) -> Finding {
    Finding { part, ok: false, detail, remedy }
}

/// Whether every pod is there and ready.
pub fn pods(stack: &Stack, pods: &[Pod]) -> Finding {
    let bridge = has_bridge(pods).then_some(Component::Bridge);
    let wanted: Vec<String> = Component::STATEFUL
        .into_iter()
        .chain(bridge)
        .flat_map(|component| (0..component.replicas(stack)).map(move |n| format!("{}-{n}", component.name())))
        .collect();
    let mut problems = Vec::new();
    for name in &wanted {
        match pods.iter().find(|pod| pod.name == *name) {
            None => problems.push((name, format!("{name} does not exist"))),
            Some(pod) if !pod.ready => problems.push((name, format!("{name} is not ready: {}", pod.why))),
            Some(_) => {}
        }
    }
    let namespace = &stack.namespace;
    match problems.first() {
        None => good("Pods", format!("{} of {} ready", wanted.len(), wanted.len())),
        Some(_) if problems.len() == wanted.len() && pods.is_empty() => bad(
            "Pods",
            format!("namespace {namespace} has no pods of this stack"),
            format!(
                "{}, then kubectl apply -k k8s/; another namespace is named with --namespace",
                stack.name.about().command("export k8s")
            ),
        ),
        Some((name, _)) => bad(
            "Pods",
            problems.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join("; "),
            format!("kubectl -n {namespace} describe pod {name}; kubectl -n {namespace} logs {name} --all-containers"),
        ),
    }
}

/// What all other answers mean, in the order of the parts.
pub fn judge(stack: &Stack, checks: &[Check], answers: &[Answer], with_device: bool) -> Vec<Finding> {
    let of = |question: Question| -> Vec<(&str, &Answer)> {
        let pairs = checks.iter().zip(answers).filter(|(check, _)| check.question == question);
        pairs.map(|(check, answer)| (check.pod.as_str(), answer)).collect()
    };
    let mut all = vec![quorum(stack, &of(Question::Quorum)), brokers(stack, &of(Question::Brokers))];
    all.extend(topics(stack, &of(Question::Topics)));
    all.extend(mqtt(stack, &of(Question::Mqtt), with_device));
    all.extend(of(Question::Bridge).first().map(|(pod, answer)| bridge(stack, pod, answer)));
    all
}

fn bridge(stack: &Stack, pod: &str, answer: &Answer) -> Finding {
    const PART: &str = "Bridge";
    let look = format!("kubectl -n {} logs {pod}", stack.namespace);
    match said::press(answer) {
        Some(Ok(took)) => good(PART, format!("a press gets through: {took} ms from the button to Kafka")),
        Some(Err(why)) => bad(PART, why, look),
        None => bad(PART, words(pod, answer), look),
    }
}

fn quorum(stack: &Stack, answers: &[(&str, &Answer)]) -> Finding {
    const PART: &str = "ZooKeeper quorum";
    let modes: Vec<(&str, quorum::Answer)> =
        answers.iter().map(|(pod, answer)| (*pod, said::mode(answer).ok_or_else(|| words(pod, answer)))).collect();
    let quorum = Quorum::of(modes.iter().map(|(_, mode)| mode), modes.len());
    if quorum.is_full() {
        let leads = |mode: &quorum::Answer| mode.as_ref().is_ok_and(|mode| *mode != Mode::Follower);
        let leader = modes.iter().find(|(_, mode)| leads(mode)).map_or("", |(pod, _)| *pod);
        return good(PART, format!("{} of {} serve, {leader} leads", quorum.serving, quorum.total));
    }
    let silent: Vec<&str> = modes.iter().filter(|(_, mode)| mode.is_err()).map(|(pod, _)| *pod).collect();
    let detail = if silent.is_empty() {
        quorum.words()
    } else {
        format!("{} of {} serve; not {}", quorum.serving, quorum.total, silent.join(", "))
    };
    let pod = silent.first().unwrap_or(&"zookeeper-0");
    bad(PART, detail, format!("kubectl -n {} logs {pod}", stack.namespace))
}

fn brokers(stack: &Stack, answers: &[(&str, &Answer)]) -> Finding {
    const PART: &str = "Kafka brokers";
    let Some((pod, answer)) = answers.first() else { return bad(PART, "no pod was asked".into(), String::new()) };
    let Some(brokers) = said::brokers(answer) else {
        return bad(PART, words(pod, answer), format!("kubectl -n {} logs kafka-0 -c kafka", stack.namespace));
    };
    let cluster = Cluster { brokers, addresses: Vec::new(), topics: Vec::new() };
    let missing: Vec<String> =
        replicas::unregistered(stack.services(), &cluster).iter().map(ToString::to_string).collect();
    let wanted = stack.kafka.brokers;
    match missing.first() {
        None => good(PART, format!("{wanted} of {wanted} registered")),
        Some(pod) => bad(
            PART,
            format!("not registered: {}", missing.join(", ")),
            format!("kubectl -n {} logs {pod} -c kafka", stack.namespace),
        ),
    }
}

fn topics(stack: &Stack, answers: &[(&str, &Answer)]) -> [Finding; 2] {
    const REPLICAS: &str = "Kafka replicas";
    const TOPICS: &str = "Kafka topics";
    let namespace = &stack.namespace;
    let look = format!("kubectl -n {namespace} logs kafka-0 -c kafka");
    let found = answers.first().filter(|(_, answer)| answer.success).map(|(_, answer)| said::topics(answer));
    let Some(topics) = found else {
        let why = answers.first().map_or_else(String::new, |(pod, answer)| words(pod, answer));
        return [REPLICAS, TOPICS].map(|part| bad(part, why.clone(), look.clone()));
    };
    let behind: Vec<String> = topics.iter().filter_map(out_of_sync).collect();
    let replicas = if behind.is_empty() {
        let partitions: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        good(REPLICAS, format!("{partitions} partitions in sync on all their brokers"))
    } else {
        let remedy = format!("kubectl -n {namespace} get pods -l app.kubernetes.io/name=kafka; {look}");
        bad(REPLICAS, format!("not in sync: {}", behind.join(", ")), remedy)
    };
    let cluster = Cluster { brokers: Vec::new(), addresses: Vec::new(), topics };
    let short: Vec<String> =
        replicas::short_topics(stack, &cluster).into_iter().map(|name| short(stack, &cluster, name)).collect();
    let topics = if short.is_empty() {
        good(TOPICS, format!("{} of {} exist", stack.topics.len(), stack.topics.len()))
    } else {
        let remedy = format!(
            "kubectl -n {namespace} delete job -l app.kubernetes.io/name=kafka-topics, then kubectl apply -k k8s/ makes them; \
             kubectl -n {namespace} logs -l app.kubernetes.io/name=kafka-topics"
        );
        bad(TOPICS, format!("missing: {}", short.join(", ")), remedy)
    };
    [replicas, topics]
}

/// How many of its partitions are not in sync; None where all are.
fn out_of_sync(topic: &TopicState) -> Option<String> {
    let behind = topic.partitions.iter().filter(|partition| !partition.is_in_sync()).count();
    (behind > 0).then(|| format!("{} ({behind} of {})", topic.name, topic.partitions.len()))
}

/// A topic with fewer partitions than it should have, or none at all.
fn short(stack: &Stack, cluster: &Cluster, name: &str) -> String {
    let wanted = stack.topics.iter().find(|topic| topic.name == name).map_or(0, |topic| topic.partitions);
    match cluster.topic(name) {
        None => name.to_owned(),
        Some(topic) => format!("{name} ({} of {wanted} partitions)", topic.partitions.len()),
    }
}

fn mqtt(stack: &Stack, answers: &[(&str, &Answer)], with_device: bool) -> Vec<Finding> {
    let namespace = &stack.namespace;
    let secrets = format!(
        "kubectl -n {namespace} get secrets; {} shows how to make them; kubectl -n {namespace} logs mqtt-0 -c reload",
        stack.name.about().command("export secrets --commands")
    );
    let policies = format!(
        "kubectl -n {namespace} logs mqtt-1 -c mqtt; kubectl -n {namespace} rollout restart statefulset/mqtt after a new \
         password of the peer link"
    );
    let rules = format!("kubectl -n {namespace} logs mqtt-0 -c reload");
    let mut all = vec![
        mqtt_part(
            "MQTT logins",
            &["login", "service", "stranger", "anonymous"],
            answers,
            "accepted, strangers refused",
            &secrets,
        ),
        mqtt_part("MQTT access", &["foreign"], answers, "a foreign message refused", &rules),
    ];
    if with_device {
        all.push(mqtt_part(
            "MQTT devices",
            &["device", "device-foreign"],
            answers,
            "a device accepted, its foreign message refused",
            &secrets,
        ));
    }
    all.push(mqtt_part("MQTT peers", &["across"], answers, "messages cross in both directions", &policies));
    all
}

fn mqtt_part(part: &'static str, names: &[&str], answers: &[(&str, &Answer)], ok: &str, remedy: &str) -> Finding {
    let mut problems = Vec::new();
    for (pod, answer) in answers {
        for name in names {
            let line = answer.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            match line {
                Some("ok") => {}
                Some(said) => problems.push(format!("{pod}: {name} {said}")),
                None => {
                    problems.push(words(pod, answer));
                    break;
                }
            }
        }
    }
    if problems.is_empty() { good(part, ok.to_owned()) } else { bad(part, problems.join("; "), remedy.to_owned()) }
}

/// Why there is no answer, in a line.
fn words(pod: &str, answer: &Answer) -> String {
    let said = if answer.stderr.is_empty() { &answer.stdout } else { &answer.stderr };
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("command terminated"));
    format!("{pod}: {}", last.unwrap_or("no answer"))
}
