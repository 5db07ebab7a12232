//! One stream of messages: what readers of either broker tell, and to whom.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::message::View;

/// How long a broker may take to let us in.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a reader tells.
pub enum Told<'a> {
    Message(&'a View<'a>),
    /// Nothing more is waiting: what was printed so far should be seen.
    Idle,
    /// Something to know that ends nothing, such as a broker that is away.
    Notice(String),
}

/// Who is told, from readers' threads; breaking off ends the reading.
pub type Tell = Arc<dyn Fn(Told<'_>) -> ControlFlow<()> + Send + Sync>;
/// Whether a message is wanted at all.
pub type Wanted = Arc<dyn Fn(&View<'_>) -> bool + Send + Sync>;

/// Holds the present back until the past has been told: closed until then; who passes waits for it.
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
