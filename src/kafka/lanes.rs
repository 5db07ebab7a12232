//! Producers, by how much they gather. A broker refuses a batch as a whole: one that is larger than its topic allows
//! would take messages with it that are not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};
use tokio_util::sync::CancellationToken;

use super::client::let_go;
use super::limits::LARGE;
use super::reports::Reports;

/// How long messages in flight are waited for after an interruption.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long waiting may be deaf to an interruption.
const DEAF: Duration = Duration::from_millis(50);

/// What most topics take.
pub(super) const USUAL: usize = 0;

/// The producers of a run.
pub(super) struct Lanes {
    config: ClientConfig,
    reports: Reports,
    /// Each with what it gathers, in bytes; the first is for topics that take as much as others do.
    producers: Vec<(u64, BaseProducer<Reports>)>,
}

impl Lanes {
    /// With the usual producer only.
    ///
    /// # Errors
    /// When the library refuses the settings.
    pub(super) fn new(config: ClientConfig, reports: Reports) -> Result<Self> {
        let mut lanes = Self { config, reports, producers: Vec::new() };
        lanes.add(LARGE as u64)?;
        Ok(lanes)
    }

    fn add(&mut self, bytes: u64) -> Result<()> {
        let mut config = self.config.clone();
        config.set("batch.size", bytes.to_string());
        let producer = config.create_with_context(self.reports.clone()).context("preparing the producer")?;
        self.producers.push((bytes, producer));
        Ok(())
    }

    pub(super) fn get(&self, lane: usize) -> &BaseProducer<Reports> {
        &self.producers[lane].1
    }

    /// The lane of a topic whose batches may have so many bytes.
    ///
    /// # Errors
    /// As for [`Lanes::new`].
    pub(super) fn of(&mut self, most: u64) -> Result<usize> {
        // Room for what the brokers add where they compress in their own way.
        let bytes = (most - most / 50).max(1);
        if bytes >= LARGE as u64 {
            return Ok(USUAL);
        }
        if let Some(lane) = self.producers.iter().position(|(size, _)| *size == bytes) {
            return Ok(lane);
        }
        self.add(bytes)?;
        Ok(self.producers.len() - 1)
    }

    /// Serves what was delivered meanwhile.
    pub(super) fn poll(&self) {
        for (_, producer) in &self.producers {
            producer.poll(Duration::ZERO);
        }
    }

    /// Waits until each message is acknowledged or given up; after an interruption not for long, and what is under way
    /// then is given up.
    ///
    /// # Errors
    /// When that does not happen by `deadline`.
    pub(super) fn settle(&self, deadline: Instant, stop: &CancellationToken) -> Result<()> {
        let mut farewell = None;
        for (_, producer) in &self.producers {
            loop {
                match producer.flush(DEAF) {
                    Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if Instant::now() < deadline => {}
                    settled => break settled.context("waiting for acknowledgements")?,
                }
                if stop.is_cancelled() && Instant::now() >= *farewell.get_or_insert_with(|| Instant::now() + FAREWELL) {
                    producer.purge(PurgeConfig::default().queue().inflight());
                }
            }
        }
        Ok(())
    }

    /// Ends without waiting.
    pub(super) fn let_go(self) {
        let_go(self.producers);
    }
}
