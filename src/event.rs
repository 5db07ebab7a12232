//! What work reports while it runs. The `ui` listens; nothing else prints.

use std::time::Duration;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line the user should know, such as why a runtime was chosen.
    Note(String),
    /// Something is off, but the work goes on.
    Warning(String),
    /// A named step began; at most one `StepFinished` or `StepFailed` with the same name follows.
    StepStarted { step: String },
    /// What a running step waits for just now.
    StepWaits { step: String, on: String },
    /// The step is done, with a word about its result (may be empty).
    StepFinished { step: String, result: String, took: Duration },
    /// The step did not succeed; the error itself travels as a `Result`.
    StepFailed { step: String },
    /// Bytes of one download; `total` is 0 while unknown.
    Fetched { what: String, done: u64, total: u64 },
    /// A download is complete.
    FetchFinished { what: String },
}

/// Where work sends its events.
pub type Report<'a> = &'a (dyn Fn(Event) + Sync);

/// Runs one step and reports its beginning, its end and how long it took.
///
/// # Errors
/// Those of `work`.
pub async fn step<T, E>(
    report: Report<'_>,
    name: &str,
    work: impl Future<Output = Result<(T, String), E>>,
) -> Result<T, E> {
    let started = std::time::Instant::now();
    report(Event::StepStarted { step: name.to_owned() });
    match work.await {
        Ok((value, result)) => {
            report(Event::StepFinished { step: name.to_owned(), result, took: started.elapsed() });
            Ok(value)
        }
        Err(error) => {
            report(Event::StepFailed { step: name.to_owned() });
            Err(error)
        }
    }
}
