//! What is wrong with this machine or a stack, and its remedy. Looks and asks; changes nothing.

mod keep_alive;
pub mod machine;
pub mod stack;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::about::Remedy;
use crate::lifecycle::connect;
use crate::lifecycle::up::Up;
use crate::paths::Paths;
use crate::runtime::choose::Found;
use crate::stack::Stack;

/// How long a running stack may take for what is asked of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but not for long or not as well as it could.
    Warning,
    /// Something does not work until the remedy is applied.
    Bad,
}

/// What one check found; one element of `sosstack doctor --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What was looked at, such as `ports` or `ZooKeeper`.
    pub subject: &'static str,
    pub verdict: Verdict,
    pub words: String,
    /// What to do about it: a sentence or a command to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

/// Looks at this machine, and at every layer of a stack that has services on it.
pub async fn check(stack: &Stack, found: Option<&Found>, paths: &Paths) -> Vec<Finding> {
    let running = found.map(|found| (&found.inventory, found.runtime.kind()));
    let mut findings = machine::check(stack, paths, running).await;
    let Some(found) = found.filter(|found| !found.inventory.instances.is_empty()) else { return findings };
    let up = Up {
        stack,
        runtime: &*found.runtime,
        paths,
        timeout: PATIENCE,
        retain: true,
        accept_data_loss: false,
        replace_credentials: false,
    };
    match connect::endpoints(stack, &found.inventory, paths) {
        Ok(endpoints) => findings.extend(stack::check(&up, &found.inventory, &endpoints).await),
        Err(error) => findings.push(Finding::of_error("secrets", &error, stack.name.about().remedy("up"))),
    }
    findings
}

impl Finding {
    fn good(subject: &'static str, words: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Good, words: words.into(), remedy: None }
    }

    fn warning(subject: &'static str, words: impl Into<String>, remedy: Remedy) -> Self {
        Self { subject, verdict: Verdict::Warning, words: words.into(), remedy: Some(remedy) }
    }

    /// Something that does not work.
    pub fn bad(subject: &'static str, words: impl Into<String>, remedy: Remedy) -> Self {
        Self { subject, verdict: Verdict::Bad, words: words.into(), remedy: Some(remedy) }
    }

    /// As bad as an error; its own remedy goes before `otherwise`.
    pub fn of_error(subject: &'static str, error: &anyhow::Error, otherwise: Remedy) -> Self {
        let failure = error.downcast_ref::<crate::failure::Failure>();
        let remedy = failure.and_then(crate::failure::Failure::remedy).cloned().unwrap_or(otherwise);
        Self::bad(subject, format!("{error:#}"), remedy)
    }
}
