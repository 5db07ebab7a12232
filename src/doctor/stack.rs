//! Every layer of a stack that was made, asked by its own protocol.

use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};

use super::{Finding, keep_alive};
use crate::endpoints::Endpoints;
use crate::kafka::admin::{Admin, Cluster};
use crate::kafka::probe as kafka_probe;
use crate::lifecycle::up::{self, Up};
use crate::mqtt::probe as mqtt_probe;
use crate::runtime::{Instance, Inventory, State};
use crate::secrets::{Accounts, ServerCertificate};
use crate::stack::{Role, Service, Stack};
use crate::zookeeper::{self, Mode};

/// How long one layer may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks a stack that has instances.
pub async fn check(up: &Up<'_>, inventory: &Inventory, endpoints: &Endpoints) -> Vec<Finding> {
    let flag = up.stack.name.flag();
    let heal = format!("sosstack up{flag}");
    let mut findings = instances(inventory, &heal, &flag);
    let (quorum, kafka, mosquitto) = tokio::join!(
        quorum(endpoints, &heal),
        kafka(up.stack, inventory, endpoints, &flag),
        mosquitto(up, endpoints, &heal)
    );
    findings.extend([quorum]);
    findings.extend(kafka);
    findings.extend(mosquitto);
    findings.extend(keep_alive::check(up, inventory).await);
    findings.push(configuration(up, &heal).await);
    findings
}

fn instances(inventory: &Inventory, heal: &str, flag: &str) -> Vec<Finding> {
    let subject = "services";
    let names = |services: &[Service]| services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let all = || inventory.instances.iter();
    let down: Vec<Service> = all().filter(|i| i.state != State::Running).map(|i| i.service).collect();
    let mut findings = Vec::new();
    if down.is_empty() {
        findings.push(Finding::good(subject, format!("all {} run", inventory.instances.len())));
    } else {
        findings.push(Finding::bad(subject, format!("not running: {}", names(&down)), heal));
    }
    let restarted: Vec<Service> = all().filter(|i| i.restarts > 0).map(|i| i.service).collect();
    if let Some(first) = restarted.first() {
        findings.push(Finding::warning(
            subject,
            format!("died and were started again: {}", names(&restarted)),
            format!("sosstack logs {first}{flag} says why"),
        ));
    }
    findings
}

async fn quorum(endpoints: &Endpoints, heal: &str) -> Finding {
    let subject = "ZooKeeper";
    let asked = endpoints.zookeeper.iter().map(|node| zookeeper::mode(node, PATIENCE));
    let modes = futures_util::future::join_all(asked).await;
    let total = modes.len();
    let serving = modes.iter().filter(|mode| mode.is_ok()).count();
    let leaders = modes.iter().filter(|mode| matches!(mode, Ok(Mode::Leader | Mode::Standalone))).count();
    let why =
        modes.iter().find_map(|mode| mode.as_ref().err()).map(|error| format!(" ({error:#})")).unwrap_or_default();
    if serving == total && leaders == 1 {
        Finding::good(subject, format!("quorum of {total}, one leader"))
    } else if leaders == 1 && serving > total / 2 {
        let words = format!("{serving} of {total} nodes serve{why}; the quorum holds, but not without another one");
        Finding::warning(subject, words, heal)
    } else {
        Finding::bad(subject, format!("no quorum: {serving} of {total} nodes serve{why}"), heal)
    }
}

async fn kafka(stack: &Stack, inventory: &Inventory, endpoints: &Endpoints, flag: &str) -> Vec<Finding> {
    let subject = "Kafka";
    let ask = async { Admin::of_stack(endpoints)?.cluster(PATIENCE).await };
    let cluster = match ask.await {
        Ok(cluster) => cluster,
        Err(error) => return vec![Finding::of_error(subject, &error, &format!("sosstack up{flag}"))],
    };
    let runs = |instance: &&Instance| instance.service.role == Role::Kafka && instance.state == State::Running;
    let running = inventory.instances.iter().filter(runs).count();
    let mut findings = if cluster.brokers.len() > running {
        vec![unnoticed(&cluster, running, flag)]
    } else {
        vec![brokers(stack, &cluster, flag), replicas(stack, &cluster, flag)]
    };
    findings.push(topics(stack, &cluster, flag));
    findings.push(match kafka_probe::round_trip(&endpoints.kafka, Instant::now() + 3 * PATIENCE).await {
        Ok(()) => Finding::good(subject, "a message went round through a consumer group"),
        Err(error) => Finding::of_error(subject, &error, &format!("sosstack logs kafka{flag} says why")),
    });
    findings
}

/// What Kafka says of brokers and replicas is of the time before one ended.
fn unnoticed(cluster: &Cluster, running: usize, flag: &str) -> Finding {
    let there = cluster.brokers.len();
    let words = format!("{there} brokers are registered, but {running} run: ZooKeeper notices an end within 18 s");
    Finding::warning("Kafka", words, format!("sosstack up{flag}"))
}

fn brokers(stack: &Stack, cluster: &Cluster, flag: &str) -> Finding {
    let (wanted, there) = (usize::from(stack.kafka.brokers), cluster.brokers.len());
    if there == wanted {
        Finding::good("Kafka", format!("{there} brokers are registered"))
    } else {
        Finding::bad("Kafka", format!("{there} of {wanted} brokers are registered"), format!("sosstack up{flag}"))
    }
}

fn replicas(stack: &Stack, cluster: &Cluster, flag: &str) -> Finding {
    let partitions = || cluster.topics.iter().flat_map(|topic| &topic.partitions);
    let offline = partitions().filter(|partition| partition.leader.is_none()).count();
    let least = usize::from(stack.kafka.min_insync_replicas());
    let unwritable = partitions().filter(|partition| partition.isr.len() < least).count();
    let lagging = partitions().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
    let heal = format!("sosstack up{flag}");
    match (offline, unwritable, lagging) {
        (0, 0, 0) => Finding::good("Kafka", format!("all replicas of {} partitions are in sync", partitions().count())),
        (0, 0, lagging) => Finding::warning("Kafka", format!("{lagging} partitions lack a replica in sync"), heal),
        (0, unwritable, _) => Finding::bad(
            "Kafka",
            format!("{unwritable} partitions have fewer than {least} replicas in sync: acks=all is refused there"),
            heal,
        ),
        (offline, _, _) => {
            Finding::bad("Kafka", format!("{offline} partitions have no leader: nobody can read or write them"), heal)
        }
    }
}

fn topics(stack: &Stack, cluster: &Cluster, flag: &str) -> Finding {
    let has = |name: &str| cluster.topic(name).map_or(0, |topic| topic.partitions.len());
    let short = |topic: &&crate::stack::Topic| has(&topic.name) < usize::from(topic.partitions);
    let missing: Vec<&str> = stack.topics.iter().filter(short).map(|topic| topic.name.as_str()).collect();
    if missing.is_empty() {
        return Finding::good("topics", format!("all {} of the stack are there", stack.topics.len()));
    }
    Finding::bad(
        "topics",
        format!("missing, or with too few partitions: {}", missing.join(", ")),
        format!("sosstack seed{flag}"),
    )
}

async fn mosquitto(up: &Up<'_>, endpoints: &Endpoints, heal: &str) -> Vec<Finding> {
    let subject = "Mosquitto";
    let dir = up.paths.stack(&up.stack.name);
    let mut findings = Vec::new();
    match Accounts::read(&dir) {
        Ok(Some(accounts)) => findings.push(match mqtt_probe::prove(endpoints, &accounts.probe, PATIENCE).await {
            Ok(()) => Finding::good(subject, "logins on 3 listeners, TLS trusted, strangers refused"),
            Err(error) => Finding::of_error(subject, &error, heal),
        }),
        Ok(None) => findings.push(Finding::bad("secrets", "this machine has no credentials of the stack", heal)),
        Err(error) => findings.push(Finding::of_error("secrets", &error, "sosstack up --fresh makes a new stack")),
    }
    if let Ok(Some(certificate)) = ServerCertificate::read(&dir)
        && certificate.expires() < Timestamp::now() + (24 * 30).hours()
    {
        let words = format!("the certificate on {} ends {}", endpoints.mqtts, certificate.expires());
        findings.push(Finding::warning("TLS", words, heal));
    }
    findings
}

async fn configuration(up: &Up<'_>, heal: &str) -> Finding {
    let subject = "configuration";
    match up::differing(up).await {
        Ok(services) if services.is_empty() => Finding::good(subject, "what runs is what the stack file says"),
        Ok(services) => {
            let names = services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Finding::warning(subject, format!("differs from the stack file: {names}"), heal)
        }
        Err(error) => Finding::of_error(subject, &error, heal),
    }
}
