//! Whether an exported stack works where it runs: every question is asked inside the cluster, by kubectl.
//!
//! [`checks`] is what is asked and [`findings`] what the answers mean, both pure; [`kubectl`] carries it out.

pub mod checks;
pub mod findings;
pub mod kubectl;

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use serde::Serialize;

use crate::event::{Event, Notice, Report};
use crate::secrets::Secret;
use crate::stack::Stack;
use checks::Check;
use kubectl::{Answer, Kubectl};

/// What came of asking about one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// A device whose login is tried; its password travels on stdin only.
#[derive(Debug, Clone)]
pub struct DeviceLogin {
    pub id: String,
    pub password: Secret,
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
    report(Event::Noticed(Notice::Asking { questions: planned.len(), namespace: stack.namespace.clone() }));
    let asked = planned.iter().map(async |check: &Check| kubectl.ask(check, patience).await);
    let answers: Vec<Answer> = join_all(asked).await;
    all.extend(findings::judge(stack, &planned, &answers, device.is_some()));
    Ok(all)
}
