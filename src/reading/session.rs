//! One reading from its beginning to its end: what is wanted goes to a sink, until somebody has seen enough.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Reading, Watch};
use crate::address::Address;
use crate::event::{Event, Report};
use crate::filter::Filter;
use crate::message::View;
use crate::place::From;
use crate::shutdown::Shutdown;
use crate::stream::{PATIENCE, Tell, Told, Wanted};

/// How long readers may take to leave after an interruption.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a sink is given.
pub enum Heard<'a> {
    Message(&'a View<'a>),
    /// Nothing more is waiting: what was taken so far should be seen.
    Idle,
}

/// Takes what is wanted, one at a time, in the readers' threads: while it blocks, nothing more is read. An error ends the
/// reading, and is what [`Session::until_end`] returns.
pub type Sink = Box<dyn FnMut(Heard<'_>) -> Result<()> + Send>;

/// When to stop without a signal.
#[derive(Debug, Default)]
pub struct Limits {
    /// After so many messages.
    pub count: Option<u64>,
    /// After this long, connecting included.
    pub timeout: Option<Duration>,
    /// Cancelled by whoever has seen enough.
    pub enough: CancellationToken,
}

/// How a reading ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How many messages the sink has taken.
    pub messages: u64,
    /// Whether the timeout ended it.
    pub timed_out: bool,
}

/// A reading that has begun: what is sent from now on is not missed. Dropping it ends its readers.
pub struct Session {
    reading: Reading,
    filter: Arc<Filter>,
    hub: Arc<Mutex<Hub>>,
    heard: UnboundedReceiver<String>,
    enough: CancellationToken,
    deadline: Option<Instant>,
}

impl Session {
    /// Begins to read.
    ///
    /// # Errors
    /// When a broker does not answer, refuses the login, or has no such topic; [`crate::failure::Failure::Interrupted`]
    /// when a signal comes first.
    pub async fn open(
        watch: &Watch<'_>,
        filter: Filter,
        limits: Limits,
        sink: Sink,
        report: Report<'_>,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let deadline = limits.timeout.map(|timeout| Instant::now() + timeout);
        if watch.from != From::Now && watch.addresses.iter().any(|address| matches!(address, Address::Mqtt(_))) {
            let words = "MQTT keeps no history: retained messages come first, then what is published from now on";
            report(Event::Note(words.to_owned()));
        }
        let hub = Arc::new(Mutex::new(Hub { sink, left: limits.count, taken: 0, failed: None }));
        let filter = Arc::new(filter);
        let enough = limits.enough;
        let (notices, heard) = unbounded_channel();
        let tell: Tell = {
            let (hub, enough, filter) = (Arc::clone(&hub), enough.clone(), Arc::clone(&filter));
            Arc::new(move |told| {
                let flow = match told {
                    Told::Message(message) => lock(&hub).take(message),
                    Told::Idle => {
                        if let Some(words) = unfit(&filter) {
                            let _ = notices.send(words);
                        }
                        lock(&hub).flush()
                    }
                    Told::Notice(words) => {
                        let _ = notices.send(words);
                        ControlFlow::Continue(())
                    }
                };
                if flow.is_break() {
                    enough.cancel();
                }
                flow
            })
        };
        let reading = shutdown.guard(Reading::open(watch, &wanted(&filter), &tell)).await?;
        Ok(Self { reading, filter, hub, heard, enough, deadline })
    }

    /// The topics and filters that are read, patterns resolved.
    pub fn names(&self) -> &[String] {
        &self.reading.names
    }

    /// Reads until all is read that was to be, a limit is reached, or a signal comes. What was taken is flushed whatever
    /// ended it.
    ///
    /// # Errors
    /// The sink's, else what ended a reader that was not at its end.
    pub async fn until_end(mut self, report: Report<'_>, shutdown: &Shutdown) -> Result<Ended> {
        let mut timed_out = false;
        let read = loop {
            tokio::select! {
                read = self.reading.finished() => break read,
                () = self.enough.cancelled() => break Ok(()),
                () = shutdown.requested() => break Ok(()),
                () = out_of_time(self.deadline) => {
                    timed_out = true;
                    break Ok(());
                }
                Some(words) = self.heard.recv() => report(Event::Warning(words)),
            }
        };
        self.reading.close(if shutdown.is_requested() { FAREWELL } else { PATIENCE }).await;
        while let Some(words) = self.heard.try_recv().ok().or_else(|| unfit(&self.filter)) {
            report(Event::Warning(words));
        }
        let mut hub = lock(&self.hub);
        let _ = hub.flush();
        match hub.failed.take() {
            Some(error) => Err(error),
            None => read.map(|()| Ended { messages: hub.taken, timed_out }),
        }
    }
}

/// Where the readers' threads meet.
struct Hub {
    sink: Sink,
    left: Option<u64>,
    taken: u64,
    failed: Option<anyhow::Error>,
}

impl Hub {
    fn take(&mut self, message: &View<'_>) -> ControlFlow<()> {
        if self.left == Some(0) || self.failed.is_some() {
            return ControlFlow::Break(());
        }
        if let Err(error) = (self.sink)(Heard::Message(message)) {
            self.failed = Some(error);
            return ControlFlow::Break(());
        }
        self.taken += 1;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                let _ = self.flush();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Breaks off when nobody can see it any more.
    fn flush(&mut self) -> ControlFlow<()> {
        if self.failed.is_none() {
            self.failed = (self.sink)(Heard::Idle).err();
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wanted(filter: &Arc<Filter>) -> Wanted {
    if filter.is_empty() {
        return Arc::new(|_| true);
    }
    let filter = Arc::clone(filter);
    Arc::new(move |message| filter.wants(message))
}

/// That the expression does not fit some messages; said once.
fn unfit(filter: &Filter) -> Option<String> {
    let problem = filter.take_problem()?;
    Some(format!("--where cannot be applied to some messages: {problem}"))
}

async fn out_of_time(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::message::Broker;

    fn message() -> View<'static> {
        View {
            broker: Broker::Mqtt,
            topic: "a/b".into(),
            partition: None,
            offset: None,
            qos: None,
            retained: None,
            key: None,
            headers: Vec::new(),
            properties: None,
            time: 0,
            value: None,
        }
    }

    fn hub(count: Option<u64>, sink: Sink) -> Hub {
        Hub { sink, left: count, taken: 0, failed: None }
    }

    #[test]
    fn a_sink_takes_as_many_as_were_asked_for_and_is_flushed_after_the_last() {
        let flushed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&flushed);
        let mut hub = hub(
            Some(2),
            Box::new(move |heard| {
                if matches!(heard, Heard::Idle) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }),
        );
        let message = message();
        assert!(hub.take(&message).is_continue());
        assert!(hub.take(&message).is_break());
        assert!(hub.take(&message).is_break(), "another reader's thread may come once more");
        assert_eq!((hub.taken, flushed.load(Ordering::Relaxed)), (2, 1));
    }

    #[test]
    fn a_sink_that_fails_is_given_nothing_more() {
        let mut calls = 0;
        let mut hub = hub(
            None,
            Box::new(move |_| {
                calls += 1;
                anyhow::ensure!(calls < 2, "call {calls}");
                Ok(())
            }),
        );
        let message = message();
        assert!(hub.take(&message).is_continue());
        assert!(hub.take(&message).is_break());
        assert!(hub.take(&message).is_break());
        assert!(hub.flush().is_break());
        assert_eq!(hub.failed.unwrap().to_string(), "call 2");
        assert_eq!(hub.taken, 1);
    }
}
