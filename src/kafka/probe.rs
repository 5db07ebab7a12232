//! Proves that messages get through: produced with acks=all, consumed and committed by a group.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::blocking::blocking;
use super::client::{client_config, let_go};
use super::passing::is_passing;
use crate::stack::topic::PROBE_TOPIC;

/// The probe's consumer group, hidden from lists like its topic.
pub const PROBE_GROUP: &str = "__sosstack_probe";

/// How long a commit may outlast the deadline; to a broker that has frozen, the library waits a minute.
const GRACE: Duration = Duration::from_secs(1);
const NOT_BACK: &str = "the probe's message was acknowledged but did not come back through a consumer group";
/// Between two commits.
const AGAIN: Duration = Duration::from_millis(20);

/// One round trip through the probe topic and a consumer group.
///
/// # Errors
/// What did not work by `deadline`: the acknowledgement, the consumption or the commit.
pub async fn round_trip(bootstrap_servers: &[String], deadline: Instant) -> Result<()> {
    let servers = bootstrap_servers.join(",");
    let token: [u8; 16] = crate::secrets::random();
    let consumer_servers = servers.clone();
    let consumed = blocking(move |abandoned| consume(&consumer_servers, &token, deadline, abandoned));
    let late = deadline + GRACE;
    let consumed = async { timeout_at(late.into(), consumed).await.context("the probe's offset was not committed")? };
    tokio::try_join!(produce(&servers, &token, deadline), consumed).map(drop)
}

/// The library's producer, let go of without waiting, also by whoever stops waiting for its answer.
struct Sender(Option<FutureProducer>);

impl Drop for Sender {
    fn drop(&mut self) {
        let_go(self.0.take());
    }
}

async fn produce(servers: &str, token: &[u8], deadline: Instant) -> Result<()> {
    let remaining = deadline.saturating_duration_since(Instant::now());
    let producer = common(servers)
        .set("acks", "all")
        .set("message.timeout.ms", remaining.as_millis().max(1000).to_string())
        .set("linger.ms", "0")
        .create()
        .context("preparing the probe's producer")?;
    let sender = Sender(Some(producer));
    let producer = sender.0.as_ref().context("it is there until it is dropped")?;
    let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(PROBE_TOPIC).partition(0).payload(token);
    producer
        .send(record, Timeout::After(remaining))
        .await
        .map_err(|(error, _)| error)
        .context("the probe's message was not acknowledged by all in-sync replicas")?;
    Ok(())
}

/// Until a member has read and committed it. A coordinator that takes over from another may throw out a member whose name
/// it knows of an earlier one, and so does the next probe.
fn consume(servers: &str, token: &[u8], deadline: Instant, abandoned: &CancellationToken) -> Result<()> {
    loop {
        match read_and_commit(servers, token, deadline, abandoned) {
            Err(error) if is_fenced(&error) && Instant::now() < deadline && !abandoned.is_cancelled() => {}
            end => return end,
        }
    }
}

fn is_fenced(error: &anyhow::Error) -> bool {
    error.downcast_ref::<KafkaError>().is_some_and(is_fencing)
}

fn is_fencing(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::FencedInstanceId)
}

fn read_and_commit(servers: &str, token: &[u8], deadline: Instant, abandoned: &CancellationToken) -> Result<()> {
    let consumer: BaseConsumer = common(servers)
        .set("group.id", PROBE_GROUP)
        // A static member (KIP-345) need not leave, which takes the library 100 ms: the next probe is the same member.
        .set("group.instance.id", PROBE_GROUP)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "6000")
        .set("fetch.wait.max.ms", "20")
        .create()
        .context("preparing the probe's consumer")?;
    consumer.subscribe(&[PROBE_TOPIC]).context("joining the probe's group")?;
    let mut last_error = None;
    // Once the message has come back: what is to be committed.
    let mut read: Option<TopicPartitionList> = None;
    while Instant::now() < deadline && !abandoned.is_cancelled() {
        // A member that does not poll takes no part in a rebalance, without which it cannot commit.
        match consumer.poll(if read.is_some() { AGAIN } else { Duration::from_millis(50) }) {
            Some(Ok(message)) if message.payload() == Some(token) => {
                let mut offsets = TopicPartitionList::new();
                let next = Offset::Offset(message.offset() + 1);
                offsets.add_partition_offset(message.topic(), message.partition(), next)?;
                read = Some(offsets);
            }
            Some(Err(error)) if is_fencing(&error) => {
                let_go(consumer);
                return Err(error).context(NOT_BACK);
            }
            Some(Err(error)) => last_error = Some(error),
            _ => {}
        }
        match read.as_ref().map(|offsets| consumer.commit(offsets, CommitMode::Sync)) {
            Some(Ok(())) => {
                let_go(consumer);
                return Ok(());
            }
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_passing) => last_error = Some(error),
            Some(Err(error)) => return Err(error).context("committing the probe's offset"),
            None => {}
        }
    }
    let what = match read {
        Some(_) => "the probe's offset was not committed",
        None => NOT_BACK,
    };
    match last_error {
        Some(error) => Err(error).context(what),
        None => bail!(what),
    }
}

fn common(servers: &str) -> ClientConfig {
    let mut config = client_config();
    config
        .set("bootstrap.servers", servers)
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .set("retry.backoff.ms", "20")
        .set("topic.metadata.refresh.fast.interval.ms", "50")
        // A broker that has just started may know no topic yet; a consumer that asked it would be in its group
        // without partitions until it asks again, by default five minutes later.
        .set("topic.metadata.refresh.interval.ms", "2000")
        .set("log_level", "0");
    config
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    /// What a broker answers to the first commits, and what comes of it.
    async fn committed_after(errors: &[RDKafkaRespErr], patience: Duration) -> Result<()> {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(PROBE_TOPIC, 1, 1).unwrap();
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, errors);
        round_trip(&[cluster.bootstrap_servers()], Instant::now() + patience).await
    }

    /// As a coordinator does that has just taken over.
    #[tokio::test]
    async fn a_member_that_is_thrown_out_is_followed_by_another() {
        let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
        committed_after(&[fenced], Duration::from_secs(30)).await.unwrap();
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(PROBE_TOPIC, 1, 1).unwrap();
        cluster.request_errors(RDKafkaApiKey::JoinGroup, &[fenced]);
        let deadline = Instant::now() + Duration::from_secs(30);
        round_trip(&[cluster.bootstrap_servers()], deadline).await.unwrap();
    }

    #[tokio::test]
    async fn a_commit_is_tried_again_while_its_coordinator_changes() {
        use RDKafkaRespErr as Answer;
        let passing = [
            Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
            Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Answer::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
            Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
            Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
            Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
        ];
        committed_after(&passing, Duration::from_secs(30)).await.unwrap();
        let begun = Instant::now();
        let refusal = [Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED];
        let refused = committed_after(&refusal, Duration::from_secs(30)).await.unwrap_err();
        assert!(format!("{refused:#}").starts_with("committing the probe's offset: "), "{refused:#}");
        assert!(begun.elapsed() < Duration::from_secs(15), "no time mends it: {:?}", begun.elapsed());
    }
}
