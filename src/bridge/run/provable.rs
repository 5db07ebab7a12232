//! Whether presses of the probe may be brought to Kafka, so that whoever presses sees that real ones would be.
//!
//! They are subscribed to only once Kafka is known to have their topic: a record for one that is not there would have
//! emergencies wait, and a cluster that is not prepared for it need not let the bridge read them either.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::kafka::access::Access;
use crate::kafka::admin::Admin;
use crate::stack::topic::PROBE_TOPIC;

/// How long Kafka may take to name its topics.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions to brokers that do not answer, and to those that have no such topic.
const AWAY: Duration = Duration::from_secs(1);
const ABSENT: Duration = Duration::from_secs(60);

/// See the module.
pub struct Provable {
    kafka: Access,
    /// The bridge waits for presses of its own, and says so where they do not come.
    probes: bool,
    is_known: bool,
    looking: Option<BoxFuture<'static, ()>>,
}

impl Provable {
    /// Begins to look for the topic.
    pub fn new(kafka: Access, probes: bool) -> Self {
        let looking = Some(look(kafka.clone()));
        Self { kafka, probes, is_known: false, looking }
    }

    /// Whether presses are to be subscribed to.
    pub fn subscribes(&self) -> bool {
        self.probes || self.is_known
    }

    /// Whether Kafka has their topic.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Kafka has refused one: perhaps the topic is gone.
    pub fn doubt(&mut self) {
        if std::mem::take(&mut self.is_known) {
            self.looking = Some(look(self.kafka.clone()));
        }
    }

    /// Until the topic is found. Dropping the future loses nothing.
    pub async fn found(&mut self) {
        match &mut self.looking {
            Some(looking) => looking.await,
            None => std::future::pending().await,
        }
        (self.looking, self.is_known) = (None, true);
    }
}

fn look(kafka: Access) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        loop {
            match has_topic(&kafka).await {
                Ok(true) => return,
                Ok(false) => sleep(ABSENT).await,
                Err(_) => sleep(AWAY).await,
            }
        }
    })
}

/// Whether Kafka has the topic of the probe's presses.
///
/// # Errors
/// When it does not answer.
pub async fn has_topic(kafka: &Access) -> Result<bool> {
    let wanted = [PROBE_TOPIC.to_owned()];
    let cluster = Admin::with(kafka)?.known_cluster(&wanted, PATIENCE).await?;
    Ok(cluster.topic(PROBE_TOPIC).is_some())
}
