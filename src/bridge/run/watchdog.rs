//! Ends a bridge whose loop stands still, so that the standby takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long the loop may stand still.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);

/// How a loop is looked after.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// How long it may stand still.
    pub limit: Duration,
    /// Between two looks at it.
    pub look: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self { limit: LIMIT, look: LOOK }
    }
}

/// To be told in each turn of the loop.
#[derive(Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// The loop turns.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks after the loop from a thread of its own, which calls `give_up` once it has stood still for as long as it may.
    /// Looks are counted rather than seconds, so that a laptop that slept is not taken for a loop that stands still.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(&self, watch: Watch, give_up: impl FnOnce() + Send + 'static) -> Result<()> {
        let Watch { limit, look } = watch;
        let pulse = Arc::downgrade(&self.0);
        let work = move || {
            let (mut last, mut still) = (u64::MAX, Duration::ZERO);
            // The loop has ended when nobody holds its pulse any more.
            while let Some(now) = pulse.upgrade().map(|pulse| pulse.load(Ordering::Relaxed)) {
                still = if now == last { still + look } else { Duration::ZERO };
                last = now;
                if still >= limit {
                    return give_up();
                }
                thread::sleep(look);
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(work).context("starting the watchdog")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Instant;

    use super::*;

    const WATCH: Watch = Watch { limit: Duration::from_millis(200), look: Duration::from_millis(20) };

    #[test]
    fn a_loop_that_stands_still_is_given_up() {
        let pulse = Pulse::default();
        let (tell, told) = channel();
        let start = Instant::now();
        pulse.watch(WATCH, move || tell.send(()).unwrap()).unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(()));
        assert!(start.elapsed() >= WATCH.limit, "{:?}", start.elapsed());
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Err(RecvTimeoutError::Disconnected), "and once only");
    }

    /// It is looked at far more often than it could be given up; a beat is late only where this thread stands still, too.
    #[test]
    fn a_living_loop_is_left_alone() {
        let pulse = Pulse::default();
        let (tell, told) = channel();
        pulse.watch(WATCH, move || tell.send(()).unwrap()).unwrap();
        let start = Instant::now();
        while start.elapsed() < 5 * WATCH.limit {
            pulse.beat();
            assert!(told.recv_timeout(Duration::from_millis(5)).is_err(), "after {:?}", start.elapsed());
        }
        drop(pulse);
        assert_eq!(
            told.recv_timeout(Duration::from_secs(20)),
            Err(RecvTimeoutError::Disconnected),
            "the watch has ended"
        );
    }
}
