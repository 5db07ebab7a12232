//! Asking until the answer is right or the deadline has passed.

use std::time::{Duration, Instant};

use crate::event::{Event, Report, Step, Waiting};
use crate::kafka::admin::{Admin, Cluster};

/// Between two questions. Each question is a protocol's own, answered in a few milliseconds.
const INTERVAL: Duration = Duration::from_millis(40);

/// How long one question about the cluster may take.
const CLUSTER: Duration = Duration::from_secs(2);

/// Asks for the cluster until `holds` has nothing against it, whichever broker describes it; that cluster.
///
/// # Errors
/// The last objection, or why no broker answers.
pub(super) async fn cluster_until(
    admin: &Admin,
    step: &Step,
    deadline: Instant,
    report: Report<'_>,
    holds: impl Fn(&Cluster) -> Result<(), String>,
) -> anyhow::Result<Cluster> {
    let asked =
        until(step, deadline, report, async || of_each_broker(admin, &holds).await.map(|agreed| agreed.cluster));
    asked.await.map_err(|words| anyhow::anyhow!(words))
}

/// What brokers say, with nothing to be held against it.
pub(super) struct Agreed<T> {
    /// As one of them has it.
    pub cluster: Cluster,
    /// What follows from that.
    pub answer: T,
    /// How many of the brokers that are registered were asked one by one and answered.
    pub answered: usize,
}

/// Asks one broker, and where nothing is to be held against what it says, each of them: one that has stood still says what
/// was, until it hears what is, and whoever comes next may ask that one.
///
/// # Errors
/// The first objection, or why no broker answers.
pub(super) async fn of_each_broker<T>(
    admin: &Admin,
    holds: impl Fn(&Cluster) -> Result<T, String>,
) -> Result<Agreed<T>, String> {
    let words = |error: anyhow::Error| format!("{error:#}");
    let cluster = admin.cluster(CLUSTER).await.map_err(words)?;
    let answer = holds(&cluster)?;
    let views = admin.views(&cluster).await.map_err(words)?;
    for view in &views {
        holds(view)?;
    }
    Ok(Agreed { cluster, answer, answered: views.len() })
}

/// Asks until `question` succeeds; its last words are the error when `deadline` passes.
/// What is waited for is reported as `step`'s when it changes.
///
/// # Errors
/// The words of the last failed question.
pub(super) async fn until<T>(
    step: &Step,
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
                    report(Event::StepWaits { step: step.clone(), on: Waiting::Answer(words.clone()) });
                    last = words;
                }
            }
        }
        tokio::time::sleep_until((asked + INTERVAL).into()).await;
    }
}
