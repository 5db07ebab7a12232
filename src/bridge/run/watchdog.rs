//! Ends a bridge whose loop stands still, so that the standby takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long the loop may stand still.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);

/// To be told in each turn of the loop.
#[derive(Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop turns.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks after the loop from a thread of its own, which calls `give_up` once it has stood still for 10 s. Looks are
    /// counted rather than seconds, so that a laptop that slept is not taken for a loop that stands still.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(&self, give_up: impl FnOnce() + Send + 'static) -> Result<()> {
        let pulse = Arc::downgrade(&self.0);
        let watch = move || {
            let (mut last, mut still) = (u64::MAX, Duration::ZERO);
            // The loop has ended when nobody holds its pulse any more.
            while let Some(now) = pulse.upgrade().map(|pulse| pulse.load(Ordering::Relaxed)) {
                still = if now == last { still + LOOK } else { Duration::ZERO };
                last = now;
                if still >= LIMIT {
                    return give_up();
                }
                thread::sleep(LOOK);
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watch).context("starting the watchdog")?;
        Ok(())
    }
}
