//! Whether an exported stack works where it runs: every question is asked inside the cluster, by kubectl.
//!
//! [`checks`] is what is asked and [`findings`] what the answers mean, both pure; [`kubectl`] carries it out.

pub mod checks;
pub mod findings;
pub mod kubectl;

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{Event, Report};
use crate::stack::Stack;
use checks::Check;
use kubectl::{Answer, Kubectl};

/// What came of asking about one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Such as "ZooKeeper quorum".
    pub part: &'static str,
    pub ok: bool,
    /// What was found, in a line.
    pub detail: String,
    /// What to type where it is not ok; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// What came of asking about all of them; `sosstack verify k8s --output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verified {
    pub namespace: String,
    /// Whether every part works.
    pub ok: bool,
    pub checks: Vec<Finding>,
}

impl Verified {
    pub fn of(namespace: &str, checks: Vec<Finding>) -> Self {
        Self { namespace: namespace.to_owned(), ok: checks.iter().all(|check| check.ok), checks }
    }

    /// What does not work.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().filter(|check| !check.ok)
    }
}

/// A device whose login is tried; its password travels on stdin only.
pub struct DeviceLogin {
    pub id: String,
    pub password: String,
}

/// Asks all questions at once and judges the answers.
///
/// # Errors
/// When kubectl is missing or does not reach the cluster.
pub async fn verify(
    stack: &Stack,
    kubectl: &Kubectl,
    device: Option<&DeviceLogin>,
    patience: Duration,
    report: Report<'_>,
) -> Result<Vec<Finding>> {
    let pods = kubectl.pods().await?;
    let mut all = vec![findings::pods(stack, &pods)];
    let planned = checks::plan(stack, &pods, device);
    report(Event::Note(format!("asking {} questions in namespace {}", planned.len(), stack.namespace)));
    let asked = planned.iter().map(async |check: &Check| kubectl.ask(check, patience).await);
    let answers: Vec<Answer> = join_all(asked).await;
    all.extend(findings::judge(stack, &planned, &answers, device.is_some()));
    Ok(all)
}
