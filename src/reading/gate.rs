//! Holds the present back until the past has been told.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Closed until the past is over; who passes waits for that.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    pub fn new(closed: bool) -> Self {
        Self { inner: Arc::new((Mutex::new(closed), Condvar::new())) }
    }

    /// Opens it for good.
    pub fn open(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.inner.1.notify_all();
    }

    /// Blocks the thread while it is closed.
    pub fn pass(&self) {
        let closed = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.inner.1.wait_while(closed, |closed| *closed).unwrap_or_else(PoisonError::into_inner));
    }
}
