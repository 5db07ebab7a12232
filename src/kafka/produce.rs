//! One message to Kafka, acknowledged by all in-sync replicas.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use super::admin::Admin;
use super::{unknown_topic, unreachable};
use crate::failure::Failure;

/// A message to be produced; None is Kafka's null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub value: Option<Vec<u8>>,
}

/// Where the message was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub partition: i32,
    pub offset: i64,
}

/// Produces one message and waits until all in-sync replicas have it.
///
/// # Errors
/// [`Failure::Failed`] when no broker answers, the topic does not exist, or the message is not
/// acknowledged within `patience`; in the last case it may have been written nevertheless.
pub async fn produce(servers: &[String], record: Record, patience: Duration) -> Result<Written> {
    let admin = Admin::new(servers)?;
    let cluster = admin.cluster(patience).await.map_err(|error| unreachable(&error, servers))?;
    if cluster.topic(&record.topic).is_none() {
        return Err(unknown_topic(&record.topic, cluster.topics.iter().map(|topic| topic.name.as_str())).into());
    }
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", servers.join(","))
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // The topic's own setting decides how it is stored; snappy is the platform's.
        .set("compression.type", "snappy")
        .set("linger.ms", "0")
        .set("message.timeout.ms", patience.as_millis().max(1).to_string())
        .set("log_level", "0")
        .create()
        .context("preparing the producer")?;
    let headers = record.headers.iter().fold(OwnedHeaders::new_with_capacity(record.headers.len()), |all, header| {
        all.insert(Header { key: &header.0, value: header.1.as_deref() })
    });
    let mut outgoing = FutureRecord::<[u8], [u8]>::to(&record.topic).headers(headers);
    outgoing.key = record.key.as_deref();
    outgoing.payload = record.value.as_deref();
    let delivered = producer.send(outgoing, Timeout::After(patience)).await;
    let delivery = delivered.map_err(|(error, _)| Failure::Failed {
        cause: format!("the message to {} was not acknowledged: {error}", record.topic),
        remedy: "sosstack status shows whether enough replicas are in sync".to_owned(),
    })?;
    Ok(Written { partition: delivery.partition, offset: delivery.offset })
}
