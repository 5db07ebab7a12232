//! Ready means proven: every layer has answered its own protocol, end to end.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::poll;
use super::seed::{self, Seeded};
use crate::endpoints::Endpoints;
use crate::event::{Event, Outcome, Report, Step, Waiting};
use crate::kafka::admin::{Admin, Cluster};
use crate::kafka::probe as kafka_probe;
use crate::mqtt::probe as mqtt_probe;
use crate::observe::{Quorum, quorum, replicas};
use crate::secrets::Account;
use crate::stack::{Role, Service, Stack};

/// Why a layer is not ready, and whose log to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    pub services: Vec<Service>,
    pub cause: String,
}

/// What has to be proven, and with what.
pub struct Proof<'a> {
    pub stack: &'a Stack,
    pub endpoints: &'a Endpoints,
    /// The probe's own MQTT account.
    pub probe: &'a Account,
    pub deadline: Instant,
}

/// Proves the three layers at once, seeding topics as soon as all brokers are registered.
///
/// # Errors
/// The first layer that is not ready by the deadline.
pub async fn prove(proof: &Proof<'_>, report: Report<'_>) -> Result<Seeded, Unready> {
    let ((), seeded, ()) = tokio::try_join!(quorum(proof, report), brokers(proof, report), mosquitto(proof, report))?;
    Ok(seeded)
}

/// One leader, and everybody else follows it.
async fn quorum(proof: &Proof<'_>, report: Report<'_>) -> Result<(), Unready> {
    let step = Step::ProveZookeeper { nodes: proof.endpoints.zookeeper.len() };
    let started = begin(&step, report);
    let question = async || {
        let answers = quorum::ask(&proof.endpoints.zookeeper, Duration::from_secs(2)).await;
        let quorum = Quorum::of(&answers, answers.len());
        if quorum.is_full() { Ok(quorum.total) } else { Err(quorum.words()) }
    };
    let nodes = poll::until(&step, proof.deadline, report, question).await.map_err(|cause| {
        unready(proof, Role::Zookeeper, format!("ZooKeeper has no full quorum: {cause}"), &step, report)
    })?;
    end(step, Outcome::Quorum { nodes }, started, report);
    Ok(())
}

/// All registered, every topic there and fully replicated, and a message through a consumer group.
async fn brokers(proof: &Proof<'_>, report: Report<'_>) -> Result<Seeded, Unready> {
    let wanted = usize::from(proof.stack.kafka.brokers);
    let step = Step::ProveKafka { brokers: wanted };
    let started = begin(&step, report);
    let fail = |cause: String| unready(proof, Role::Kafka, cause, &step, report);
    let admin = Admin::of_stack(proof.endpoints).map_err(|error| fail(format!("{error:#}")))?;
    let registered = |cluster: &Cluster| {
        let missing = replicas::unregistered(proof.stack.services(), cluster);
        // One that was removed from the stack is registered until its session ends.
        let surplus = (cluster.brokers.len() + missing.len()).saturating_sub(wanted);
        match (missing.as_slice(), surplus) {
            ([], 0) => Ok(()),
            ([], surplus) => Err(format!("{surplus} more brokers than the stack's {wanted} are registered")),
            ([..], _) => Err(format!("{} of {wanted} brokers registered", wanted - missing.len())),
        }
    };
    let cluster = poll::cluster_until(&admin, &step, proof.deadline, report, registered)
        .await
        .map_err(|cause| fail(format!("Kafka is not complete: {cause:#}")))?;
    end(step, Outcome::BrokersRegistered, started, report);
    topics(proof, &admin, &cluster, report).await
}

async fn topics(proof: &Proof<'_>, admin: &Admin, cluster: &Cluster, report: Report<'_>) -> Result<Seeded, Unready> {
    let step = Step::ProveTopics;
    let started = begin(&step, report);
    let fail = |cause: String| unready(proof, Role::Kafka, cause, &step, report);
    let seeded = seed::seed(proof.stack, admin, cluster, proof.deadline, report)
        .await
        .map_err(|error| fail(format!("{error:#}")))?;
    let round_trip = async {
        report(Event::StepWaits { step: step.clone(), on: Waiting::RoundTrip });
        kafka_probe::round_trip(&proof.endpoints.kafka, proof.deadline).await.map_err(|error| format!("{error:#}"))
    };
    let in_sync = async || {
        let agreed = poll::of_each_broker(admin, |cluster| replicas::in_sync(proof.stack, cluster)).await?;
        match (agreed.answered, agreed.cluster.brokers.len()) {
            (answered, all) if answered < all => Err(format!("{answered} of {all} brokers answer")),
            _ => Ok(agreed.answer),
        }
    };
    tokio::try_join!(round_trip, poll::until(&step, proof.deadline, report, in_sync)).map_err(fail)?;
    // The round trip may have made Kafka's own topic for offsets: it has to be in sync as well.
    let partitions = poll::until(&step, proof.deadline, report, in_sync).await.map_err(fail)?;
    end(step, Outcome::InSync { partitions }, started, report);
    Ok(seeded)
}

/// Logins on all three listeners, and a stranger's publish refused.
async fn mosquitto(proof: &Proof<'_>, report: Report<'_>) -> Result<(), Unready> {
    let step = Step::ProveMosquitto;
    let started = begin(&step, report);
    poll::until(&step, proof.deadline, report, async || {
        mqtt_probe::prove(proof.endpoints, proof.probe, Duration::from_secs(5))
            .await
            .map_err(|error| format!("{error:#}"))
    })
    .await
    .map_err(|cause| unready(proof, Role::Mosquitto, format!("Mosquitto is not ready: {cause}"), &step, report))?;
    end(step, Outcome::LoginsProven, started, report);
    Ok(())
}

fn begin(step: &Step, report: Report<'_>) -> Instant {
    report(Event::StepStarted { step: step.clone() });
    Instant::now()
}

fn end(step: Step, outcome: Outcome, started: Instant, report: Report<'_>) {
    report(Event::StepFinished { step, outcome, took: started.elapsed() });
}

fn unready(proof: &Proof<'_>, role: Role, cause: String, step: &Step, report: Report<'_>) -> Unready {
    report(Event::StepFailed { step: step.clone() });
    let services = proof.stack.services().into_iter().filter(|service| service.role == role).collect();
    Unready { services, cause }
}
