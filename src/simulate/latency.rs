//! How long things took, in buckets: each an eighth wider than the one before, so that percentiles are as exact.

use std::time::Duration;

/// Buckets of a doubling.
const PER_OCTAVE: u32 = 8;
/// From 1 µs to more than a day.
const BUCKETS: usize = 38 * PER_OCTAVE as usize;

/// A distribution of durations.
#[derive(Debug, Clone)]
pub(super) struct Latency {
    counts: Vec<u64>,
    largest: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], largest: Duration::ZERO }
    }
}

impl Latency {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1);
        let octave = micros.ilog2();
        // The eighth of the octave in which it lies.
        let part = if octave >= 3 { (micros >> (octave - 3)) & 7 } else { (micros << (3 - octave)) & 7 };
        let bucket = octave as usize * PER_OCTAVE as usize + usize::try_from(part).unwrap_or(0);
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.largest = self.largest.max(duration);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn largest(&self) -> Duration {
        self.largest
    }

    /// Within this time was the share `of` (0 to 1) of them; None where there are none.
    pub(super) fn within(&self, of: f64) -> Option<Duration> {
        let all = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        let rank = ((all as f64 * of).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        // The last one has no end.
        Some(if bucket == BUCKETS - 1 { self.largest } else { upper(bucket).min(self.largest) })
    }
}

/// Where a bucket ends.
fn upper(bucket: usize) -> Duration {
    let (octave, part) = (bucket / PER_OCTAVE as usize, bucket % PER_OCTAVE as usize);
    let parts = (PER_OCTAVE as usize + part + 1) as u64;
    Duration::from_micros((parts << octave) / u64::from(PER_OCTAVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_an_eighth() {
        let mut latency = Latency::default();
        assert_eq!(latency.within(0.5), None);
        for millis in 1..=1000 {
            latency.add(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latency.within(share).unwrap().as_secs_f64() * 1000.0;
            assert!((millis..=millis * 1.13).contains(&found), "{share}: {found}");
        }
        assert_eq!((latency.count(), latency.largest()), (1000, Duration::from_secs(1)));
        latency.add(Duration::ZERO);
        latency.add(Duration::from_secs(1_000_000));
        assert_eq!(latency.within(1.0), Some(Duration::from_secs(1_000_000)));
    }
}
