//! `sosstack doctor`

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;

use super::Context;
use crate::about::Remedy;
use crate::doctor::{Finding, Verdict, machine, stack};
use crate::failure::Failure;
use crate::lifecycle::connect;
use crate::lifecycle::up::Up;
use crate::ui::{Ui, table};

pub(super) async fn run(context: &Context) -> Result<()> {
    let findings = findings(context).await?;
    if context.ui.is_json() {
        Ui::print_json(&findings)?;
    } else {
        Ui::print(&shown(&findings))?;
    }
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Failed {
        cause: format!("{bad} of {} checks failed", findings.len()),
        remedy: Remedy::words("do what stands behind → above, then run it again"),
    }
    .into())
}

async fn findings(context: &Context) -> Result<Vec<Finding>> {
    if let Err(error) = context.load(None, None) {
        // Everything else follows from the file.
        return Ok(vec![Finding::of_error("stack file", &error, Remedy::words("correct it; docs/stack-file.md"))]);
    }
    let (stack, found) = context.existing().await?;
    let running = found.as_ref().map(|found| (&found.inventory, found.runtime.kind()));
    let mut findings = machine::check(&stack, &context.paths, running).await;
    if let Some(found) = found.as_ref().filter(|found| !found.inventory.instances.is_empty()) {
        let up = Up {
            stack: &stack,
            runtime: &*found.runtime,
            paths: &context.paths,
            timeout: Duration::from_secs(10),
            retain: true,
            accept_data_loss: false,
            replace_credentials: false,
        };
        match connect::endpoints(&stack, &found.inventory, &context.paths) {
            Ok(endpoints) => findings.extend(stack::check(&up, &found.inventory, &endpoints).await),
            Err(error) => findings.push(Finding::of_error("secrets", &error, stack.name.about().remedy("up"))),
        }
    }
    Ok(findings)
}

fn shown(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { subject, verdict, words, remedy } in findings {
        let (mark, style) = match verdict {
            Verdict::Good => ("✓", table::GOOD),
            Verdict::Warning => ("!", table::WARNING),
            Verdict::Bad => ("✗", table::ERROR),
        };
        let _ = writeln!(text, "{style}{mark}{style:#} {subject:15} {words}");
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "  {:15} → {remedy}", "");
        }
    }
    text
}
