//! Pauses between attempts that fail.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);
/// No longer, as messages are missed meanwhile.
const LONGEST: Duration = Duration::from_secs(2);

/// Each pause is twice as long as the one before, from 100 ms to 2 s.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// How long to wait now.
    pub fn pause(&mut self) -> Duration {
        let pause = self.last.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.last = Some(pause);
        pause
    }

    /// Begins with the shortest again.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.pause(), SHORTEST);
    }
}
