//! Asking until the answer is right or the deadline has passed.

use std::time::{Duration, Instant};

use crate::event::{Event, Report};

/// Between two questions. Each question is a protocol's own, answered in a few milliseconds.
const INTERVAL: Duration = Duration::from_millis(40);

/// Asks until `question` succeeds; its last words are the error when `deadline` passes.
/// What is waited for is reported as `step`'s when it changes.
///
/// # Errors
/// The words of the last failed question.
pub(super) async fn until<T>(
    step: &str,
    deadline: Instant,
    report: Report<'_>,
    mut question: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let mut last = String::new();
    loop {
        let asked = Instant::now();
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(words) if asked >= deadline => return Err(words),
            Err(words) => {
                if words != last {
                    report(Event::StepWaits { step: step.to_owned(), on: words.clone() });
                    last = words;
                }
            }
        }
        tokio::time::sleep_until((asked + INTERVAL).into()).await;
    }
}
