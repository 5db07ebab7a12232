//! Whether all brokers are away, as far as it was told: one thread hears that they are, another one that they are back.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// What was told last. It is held while it is told, so that nobody hears that brokers are back before they were away.
#[derive(Debug, Default)]
pub struct Away(Mutex<bool>);

impl Away {
    /// Brokers are away; says so unless it was said before, as the library repeats it.
    pub(super) fn begin(&self, say: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        self.change(true, say)
    }

    /// Brokers answer; says so if it was said that they are away.
    pub(super) fn end(&self, say: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        self.change(false, say)
    }

    fn change(&self, now: bool, say: impl FnOnce() -> ControlFlow<()>) -> ControlFlow<()> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *told, now) == now { ControlFlow::Continue(()) } else { say() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_and_nothing_else_meanwhile() {
        let away = Away::default();
        let mut told = Vec::new();
        let mut say = |words: &'static str| {
            assert!(away.0.try_lock().is_err(), "another thread would have to wait");
            told.push(words);
            ControlFlow::Continue(())
        };
        let _ = away.end(|| say("back too early"));
        let _ = away.begin(|| say("away"));
        let _ = away.begin(|| say("away again"));
        let _ = away.end(|| say("back"));
        assert_eq!(told, ["away", "back"]);
    }
}
