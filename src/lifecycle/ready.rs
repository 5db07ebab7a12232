//! Ready means proven: every layer has answered its own protocol, end to end.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::poll;
use super::seed::{self, Seeded};
use crate::endpoints::Endpoints;
use crate::event::{Event, Report};
use crate::kafka::admin::{Admin, Cluster};
use crate::kafka::probe as kafka_probe;
use crate::mqtt::probe as mqtt_probe;
use crate::secrets::Account;
use crate::stack::{Role, Service, Stack};
use crate::zookeeper::{self, Mode};

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
    let step = format!("ZooKeeper ×{}", proof.endpoints.zookeeper.len());
    let started = begin(&step, report);
    let question = async || {
        let asked = proof.endpoints.zookeeper.iter().map(|node| zookeeper::mode(node, Duration::from_secs(2)));
        let modes = futures_util::future::join_all(asked).await;
        if let Some(Err(error)) = modes.iter().find(|mode| mode.is_err()) {
            let serving = modes.iter().filter(|mode| mode.is_ok()).count();
            return Err(format!("{serving} of {} nodes serve ({error:#})", modes.len()));
        }
        let leaders = modes.iter().filter(|m| matches!(m, Ok(Mode::Leader | Mode::Standalone))).count();
        if leaders == 1 { Ok(modes.len()) } else { Err(format!("{leaders} leaders")) }
    };
    let nodes = poll::until(&step, proof.deadline, report, question).await.map_err(|cause| {
        unready(proof, Role::Zookeeper, format!("ZooKeeper has no full quorum: {cause}"), &step, report)
    })?;
    end(&step, &format!("quorum of {nodes}"), started, report);
    Ok(())
}

/// All registered, every topic there and fully replicated, and a message through a consumer group.
async fn brokers(proof: &Proof<'_>, report: Report<'_>) -> Result<Seeded, Unready> {
    let wanted = usize::from(proof.stack.kafka.brokers);
    let step = format!("Kafka ×{wanted}");
    let started = begin(&step, report);
    let fail = |cause: String| unready(proof, Role::Kafka, cause, &step, report);
    let admin = Admin::of_stack(proof.endpoints).map_err(|error| fail(format!("{error:#}")))?;
    let registered = async || {
        let cluster = ask(&admin).await?;
        let count = cluster.brokers.len();
        if count == wanted { Ok(cluster) } else { Err(format!("{count} of {wanted} brokers registered")) }
    };
    let cluster = poll::until(&step, proof.deadline, report, registered)
        .await
        .map_err(|cause| fail(format!("Kafka is not complete: {cause}")))?;
    end(&step, "all brokers registered", started, report);
    topics(proof, &admin, &cluster, report).await
}

async fn topics(proof: &Proof<'_>, admin: &Admin, cluster: &Cluster, report: Report<'_>) -> Result<Seeded, Unready> {
    let step = "Topics".to_owned();
    let started = begin(&step, report);
    let fail = |cause: String| unready(proof, Role::Kafka, cause, &step, report);
    let seeded = seed::seed(proof.stack, admin, cluster, proof.deadline, report)
        .await
        .map_err(|error| fail(format!("{error:#}")))?;
    let round_trip = async {
        report(Event::StepWaits { step: step.clone(), on: "a round trip through a consumer group".to_owned() });
        kafka_probe::round_trip(&proof.endpoints.kafka, proof.deadline).await.map_err(|error| format!("{error:#}"))
    };
    let in_sync = poll::until(&step, proof.deadline, report, async || replicated(proof.stack, &ask(admin).await?));
    tokio::try_join!(round_trip, in_sync).map_err(fail)?;
    // The round trip may have made Kafka's own topic for offsets: it has to be in sync as well.
    let total = poll::until(&step, proof.deadline, report, async || replicated(proof.stack, &ask(admin).await?))
        .await
        .map_err(fail)?;
    end(&step, &format!("{total} partitions in sync, a message went round"), started, report);
    Ok(seeded)
}

/// Partitions of the stack's topics, when all topics of the cluster are fully replicated.
fn replicated(stack: &Stack, cluster: &Cluster) -> Result<usize, String> {
    let missing = stack.topics.iter().find(|topic| cluster.topic(&topic.name).is_none());
    if let Some(topic) = missing {
        return Err(format!("topic {} is not there yet", topic.name));
    }
    let lagging = cluster.topics.iter().filter(|topic| !topic.is_fully_replicated());
    let names: Vec<&str> = lagging.map(|topic| topic.name.as_str()).collect();
    match names.as_slice() {
        [] => Ok(stack.topics.iter().filter_map(|t| cluster.topic(&t.name)).map(|t| t.partitions.len()).sum()),
        [one] => Err(format!("replicas of {one} are not in sync")),
        [first, rest @ ..] => Err(format!("replicas of {first} and {} more topics are not in sync", rest.len())),
    }
}

/// Logins on all three listeners, and a stranger's publish refused.
async fn mosquitto(proof: &Proof<'_>, report: Report<'_>) -> Result<(), Unready> {
    let step = "Mosquitto".to_owned();
    let started = begin(&step, report);
    poll::until(&step, proof.deadline, report, async || {
        mqtt_probe::prove(proof.endpoints, proof.probe, Duration::from_secs(5))
            .await
            .map_err(|error| format!("{error:#}"))
    })
    .await
    .map_err(|cause| unready(proof, Role::Mosquitto, format!("Mosquitto is not ready: {cause}"), &step, report))?;
    end(&step, "logins accepted, a stranger refused", started, report);
    Ok(())
}

async fn ask(admin: &Admin) -> Result<Cluster, String> {
    admin.cluster(Duration::from_secs(2)).await.map_err(|error| format!("{error:#}"))
}

fn begin(step: &str, report: Report<'_>) -> Instant {
    report(Event::StepStarted { step: step.to_owned() });
    Instant::now()
}

fn end(step: &str, result: &str, started: Instant, report: Report<'_>) {
    report(Event::StepFinished { step: step.to_owned(), result: result.to_owned(), took: started.elapsed() });
}

fn unready(proof: &Proof<'_>, role: Role, cause: String, step: &str, report: Report<'_>) -> Unready {
    report(Event::StepFailed { step: step.to_owned() });
    let services = proof.stack.services().into_iter().filter(|service| service.role == role).collect();
    Unready { services, cause }
}
