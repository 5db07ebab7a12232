//! One bridge of those that share a journal: it waits for its turn, and then it is the active one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::happening::Happening;
use super::health::{Health, Readiness};
use super::metrics::Metrics;
use super::parts::Parts;
use super::probe::{Ear, Probe, Prober, Report};
use super::provable::Provable;
use super::status;
use super::watchdog::{Pulse, Watch};
use crate::bridge::journal::{Journal, Lock, Options, holder};
use crate::bridge::map::Mapper;
use crate::{kafka, mqtt};

/// Everything that a bridge is told.
pub struct Settings {
    pub mqtt: mqtt::access::Access,
    pub kafka: kafka::access::Access,
    /// Changes when routes are reloaded.
    pub mapper: tokio::sync::watch::Receiver<Arc<Mapper>>,
    /// The bridges of this name share the messages, each with a journal of its own.
    pub share: Option<String>,
    /// Shared with the standby; its lock decides who is active.
    pub journal: PathBuf,
    /// What services write of emergencies goes back to people.
    pub emergency_status: bool,
    /// The most that may wait there, in bytes.
    pub journal_max: Option<u64>,
    /// Answers for metrics and health, where that is wanted.
    pub health: Option<Health>,
    pub metrics: Arc<Metrics>,
    /// Reads who owns which device; called now and then.
    pub owners: Box<dyn FnMut(&Mapper) + Send>,
    /// Where presses of the bridge's own are wanted.
    pub probe: Option<Probe>,
    /// Ends the process when the loop stands still.
    pub give_up: Box<dyn FnOnce() + Send>,
}

/// Bridges until `stop` is cancelled, and tells what happens.
///
/// # Errors
/// When the journal cannot be opened, is for another cluster or damaged in its beginning, or is closed underneath.
pub async fn run(
    settings: Settings,
    tell: Arc<dyn Fn(Happening) + Send + Sync>,
    stop: CancellationToken,
) -> Result<()> {
    let Settings {
        mqtt,
        kafka,
        mapper,
        share,
        journal,
        emergency_status,
        journal_max,
        health,
        metrics,
        owners,
        probe,
        give_up,
    } = settings;
    let readiness = Readiness::default();
    if let Some(health) = health {
        tokio::spawn(health.serve(Arc::clone(&metrics), readiness.clone(), stop.clone()));
    }
    let Some(lock) = turn(&journal, &tell, &stop).await? else { return Ok(()) };
    metrics.active.set(1);
    let options = Options { max_bytes: journal_max, cluster_id: None };
    let opening = tokio::task::spawn_blocking(move || Journal::open(lock, &options));
    let (journal, opened) = opening.await.context("opening the journal")??;
    for finding in opened.findings {
        metrics.damaged.inc();
        tell(Happening::JournalDamaged { finding });
    }
    let pulse = Pulse::default();
    pulse.watch(Watch::default(), give_up)?;
    readiness.set(Some("not connected to Mosquitto yet".to_owned()));
    let over = stop.child_token();
    let guard = over.clone().drop_guard();
    let report = Report::new(Arc::clone(&metrics), readiness.clone(), Arc::clone(&tell));
    let provable = Provable::new(kafka.clone(), probe.is_some());
    let (prober, probe) = probe.map(|probe| Prober::new(probe, kafka.clone(), report)).unzip();
    let probe = probe.unwrap_or_else(Ear::alone);
    let probing = prober.map(|prober| tokio::spawn(prober.run(over.clone())));
    let ends = status::Ends {
        mqtt: mqtt.clone(),
        kafka: kafka.clone(),
        metrics: Arc::clone(&metrics),
        tell: Arc::clone(&tell),
    };
    let publishing = emergency_status.then(|| tokio::spawn(status::run(ends, over)));
    let parts = Parts { mqtt, kafka, mapper, share, journal, metrics, readiness, pulse, owners, probe, provable, tell };
    let ended = Engine::new(parts)?.run(stop).await;
    drop(guard);
    if let Some(probing) = probing {
        probing.await.context("ending the probe")?;
    }
    if let Some(publishing) = publishing {
        publishing.await.context("ending what goes back to people")?;
    }
    ended
}

/// The lock, as soon as nobody else has it; None when told to stop before.
async fn turn(
    journal: &std::path::Path,
    tell: &Arc<dyn Fn(Happening) + Send + Sync>,
    stop: &CancellationToken,
) -> Result<Option<Lock>> {
    if let Some(lock) = Lock::try_acquire(journal)? {
        return Ok(Some(lock));
    }
    tell(Happening::Standby { holder: holder(journal) });
    tokio::select! {
        () = stop.cancelled() => Ok(None),
        lock = Lock::acquire(journal) => {
            tell(Happening::Active);
            lock.map(Some)
        }
    }
}
