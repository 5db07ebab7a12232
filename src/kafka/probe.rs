//! Proves that messages get through: produced with acks=all, consumed and committed by a group.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::blocking::blocking;
use super::client::{client_config, let_go};
use crate::stack::topic::PROBE_TOPIC;

/// The probe's consumer group, hidden from lists like its topic.
pub const PROBE_GROUP: &str = "__sosstack_probe";

/// How long a commit may outlast the deadline; to a broker that has frozen, the library waits a minute.
const GRACE: Duration = Duration::from_secs(1);

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

fn consume(servers: &str, token: &[u8], deadline: Instant, abandoned: &CancellationToken) -> Result<()> {
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
    while Instant::now() < deadline && !abandoned.is_cancelled() {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) if message.payload() == Some(token) => {
                consumer.commit_message(&message, CommitMode::Sync).context("committing the probe's offset")?;
                let_go(consumer);
                return Ok(());
            }
            Some(Err(error)) => last_error = Some(error),
            _ => {}
        }
    }
    ensure!(last_error.is_none(), "the probe's message did not come back: {}", last_error.expect("just checked"));
    anyhow::bail!("the probe's message was acknowledged but did not come back through a consumer group")
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
