//! Every layer of a stack that was made, asked by its own protocol.

use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};

use super::{Finding, keep_alive};
use crate::about::About;
use crate::endpoints::Endpoints;
use crate::kafka::admin::Cluster;
use crate::kafka::probe as kafka_probe;
use crate::lifecycle::up::{self, Up};
use crate::memo::Memo;
use crate::mqtt::probe as mqtt_probe;
use crate::observe::{Quorum, Replicas, Snapshot, replicas};
use crate::runtime::{Inventory, State};
use crate::secrets::{Accounts, ServerCertificate};
use crate::stack::{Role, Service, Stack};

/// How long one layer may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks a stack that has instances.
pub async fn check(up: &Up<'_>, inventory: &Inventory, endpoints: &Endpoints) -> Vec<Finding> {
    let about = up.stack.name.about();
    let expected = Memo::read(&up.paths.stack(&up.stack.name)).unwrap_or_default().services;
    let (snapshot, mosquitto) =
        tokio::join!(Snapshot::take(&expected, inventory, endpoints, PATIENCE), mosquitto(up, endpoints, &about));
    let mut findings = services(&snapshot, &about);
    findings.push(quorum(&snapshot.quorum(), &about));
    findings.extend(kafka(up.stack, &snapshot, endpoints, &about).await);
    findings.extend(mosquitto);
    findings.extend(keep_alive::check(up, inventory).await);
    findings.push(configuration(up, &about).await);
    findings
}

fn services(snapshot: &Snapshot, about: &About) -> Vec<Finding> {
    let subject = "services";
    let names = |services: &[Service]| services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let ended = |state| !matches!(state, State::Running | State::Paused | State::Missing);
    let mut findings = Vec::new();
    for (words, services) in [
        ("not running", snapshot.in_state(ended)),
        ("paused, so it answers nobody", snapshot.in_state(|state| state == State::Paused)),
        ("removed by hand", snapshot.in_state(|state| state == State::Missing)),
    ] {
        if !services.is_empty() {
            findings.push(Finding::bad(subject, format!("{words}: {}", names(&services)), about.remedy("up")));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(subject, format!("all {} run", snapshot.services.len())));
    }
    let instances = snapshot.services.values().flatten();
    let restarted: Vec<Service> = instances.filter(|i| i.restarts > 0).map(|i| i.service).collect();
    if let Some(first) = restarted.first() {
        findings.push(Finding::warning(
            subject,
            format!("crashed and were restarted: {}", names(&restarted)),
            about.remedy(&format!("logs {first}")).then(" says why"),
        ));
    }
    findings
}

fn quorum(quorum: &Quorum, about: &About) -> Finding {
    let subject = "ZooKeeper";
    if quorum.is_full() {
        Finding::good(subject, format!("quorum of {}, one leader", quorum.total))
    } else if quorum.holds() {
        let words = format!("{}; the quorum holds, but not if another one fails", quorum.words());
        Finding::warning(subject, words, about.remedy("up"))
    } else {
        Finding::bad(subject, format!("no quorum: {}", quorum.words()), about.remedy("up"))
    }
}

async fn kafka(stack: &Stack, snapshot: &Snapshot, endpoints: &Endpoints, about: &About) -> Vec<Finding> {
    let subject = "Kafka";
    let cluster = match &snapshot.cluster {
        Ok(cluster) => cluster,
        Err(words) => return vec![Finding::bad(subject, words, about.remedy("up"))],
    };
    let running = snapshot.in_state(|state| state == State::Running);
    let running = running.iter().filter(|service| service.role == Role::Kafka).count();
    let mut findings = if cluster.brokers.len() > running {
        vec![unnoticed(cluster, running, about)]
    } else {
        vec![brokers(stack, cluster, about), replicas(stack, cluster, about)]
    };
    findings.push(topics(stack, cluster, about));
    findings.push(match kafka_probe::round_trip(&endpoints.kafka, Instant::now() + 3 * PATIENCE).await {
        Ok(()) => Finding::good(subject, "a test message made the round trip through a consumer group"),
        Err(error) => Finding::of_error(subject, &error, about.remedy("logs kafka").then(" says why")),
    });
    findings
}

/// What Kafka says of brokers and replicas is of the time before one ended.
fn unnoticed(cluster: &Cluster, running: usize, about: &About) -> Finding {
    let there = cluster.brokers.len();
    let words = format!("{there} brokers are registered, but {running} run: ZooKeeper notices an exit within 18 s");
    Finding::warning("Kafka", words, about.remedy("up"))
}

fn brokers(stack: &Stack, cluster: &Cluster, about: &About) -> Finding {
    let (wanted, missing) = (stack.kafka.brokers, replicas::unregistered(stack.services(), cluster));
    if missing.is_empty() {
        return Finding::good("Kafka", format!("{} brokers are registered", cluster.brokers.len()));
    }
    let there = usize::from(wanted) - missing.len();
    let names = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let words = format!("{there} of {wanted} brokers are registered; missing: {names}");
    Finding::bad("Kafka", words, about.remedy("up"))
}

fn replicas(stack: &Stack, cluster: &Cluster, about: &About) -> Finding {
    let least = usize::from(stack.kafka.min_insync_replicas());
    match Replicas::of(cluster, least) {
        Replicas { partitions, offline: 0, unwritable: 0, under_replicated: 0 } => {
            Finding::good("Kafka", format!("all replicas of {partitions} partitions are in sync"))
        }
        Replicas { offline: 0, unwritable: 0, under_replicated, .. } => {
            Finding::warning("Kafka", format!("{under_replicated} partitions are under-replicated"), about.remedy("up"))
        }
        Replicas { offline: 0, unwritable, .. } => Finding::bad(
            "Kafka",
            format!("{unwritable} partitions have fewer than {least} replicas in sync: acks=all is refused there"),
            about.remedy("up"),
        ),
        Replicas { offline, .. } => Finding::bad(
            "Kafka",
            format!("{offline} partitions have no leader: nobody can read or write them"),
            about.remedy("up"),
        ),
    }
}

fn topics(stack: &Stack, cluster: &Cluster, about: &About) -> Finding {
    let missing = replicas::short_topics(stack, cluster);
    if missing.is_empty() {
        return Finding::good("topics", format!("all {} of the stack exist", stack.topics.len()));
    }
    Finding::bad("topics", format!("missing, or with too few partitions: {}", missing.join(", ")), about.remedy("seed"))
}

async fn mosquitto(up: &Up<'_>, endpoints: &Endpoints, about: &About) -> Vec<Finding> {
    let subject = "Mosquitto";
    let dir = up.paths.stack(&up.stack.name);
    let mut findings = Vec::new();
    match Accounts::read(&dir) {
        Ok(Some(accounts)) => findings.push(match mqtt_probe::prove(endpoints, &accounts.probe, PATIENCE).await {
            Ok(()) => Finding::good(subject, "logins on 3 listeners, TLS trusted, strangers refused"),
            Err(error) => Finding::of_error(subject, &error, about.remedy("up")),
        }),
        Ok(None) => {
            findings.push(Finding::bad("secrets", "this machine has no credentials of the stack", about.remedy("up")));
        }
        Err(error) => {
            findings.push(Finding::of_error("secrets", &error, about.remedy("up --fresh").then(" makes a new stack")));
        }
    }
    if let Ok(Some(certificate)) = ServerCertificate::read(&dir)
        && certificate.expires() < Timestamp::now() + (24 * 30).hours()
    {
        let words = format!("the certificate on {} ends {}", endpoints.mqtts, certificate.expires());
        findings.push(Finding::warning("TLS", words, about.remedy("up")));
    }
    findings
}

async fn configuration(up: &Up<'_>, about: &About) -> Finding {
    let subject = "configuration";
    match up::differing(up).await {
        Ok(services) if services.is_empty() => Finding::good(subject, "the running stack matches the stack file"),
        Ok(services) => {
            let names = services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Finding::warning(subject, format!("differs from the stack file: {names}"), about.remedy("up"))
        }
        Err(error) => Finding::of_error(subject, &error, about.remedy("up")),
    }
}
