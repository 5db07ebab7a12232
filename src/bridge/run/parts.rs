//! What an active bridge works with.

use std::sync::Arc;

use tokio::sync::watch;

use super::happening::Happening;
use super::health::Readiness;
use super::metrics::Metrics;
use super::probe::Ear;
use super::provable::Provable;
use super::watchdog::Pulse;
use crate::bridge::journal::Journal;
use crate::bridge::map::Mapper;
use crate::{kafka, mqtt};

/// See the module.
pub struct Parts {
    pub mqtt: mqtt::access::Access,
    pub kafka: kafka::access::Access,
    /// Changes when routes are reloaded.
    pub mapper: watch::Receiver<Arc<Mapper>>,
    /// The bridges of this name share the messages.
    pub share: Option<String>,
    pub journal: Journal,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    pub pulse: Pulse,
    /// Reads who owns which device; called now and then.
    pub owners: Box<dyn FnMut(&Mapper) + Send>,
    /// Is told of the probe's presses.
    pub probe: Ear,
    pub provable: Provable,
    /// Is told what happens.
    pub tell: Arc<dyn Fn(Happening) + Send + Sync>,
}
