//! From questions to findings.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;

use super::answers::Answer;
use super::checks::{Check, DeviceLogin};
use super::findings::Finding;
use super::kubectl::Kubectl;
use super::{checks, findings};
use crate::event::{Event, Notice, Report};
use crate::stack::Stack;

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
