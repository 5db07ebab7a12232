//! What is wrong with this machine or a stack, and its remedy. Looks and asks; changes nothing.

mod bridges;
pub mod examine;
mod keep_alive;
pub mod machine;
pub mod stack;

use schemars::JsonSchema;
use serde::Serialize;

use crate::about::Remedy;

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
