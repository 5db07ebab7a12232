//! `sosstack doctor`

use std::fmt::Write;

use anyhow::Result;

use super::Context;
use crate::about::Remedy;
use crate::doctor::{Finding, Verdict, examine};
use crate::failure::Failure;
use crate::ui::table;

pub(super) async fn run(context: &Context) -> Result<()> {
    let findings = findings(context).await?;
    context.ui.show(findings.as_slice(), shown)?;
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Failed {
        cause: format!("{bad} of {} checks failed", findings.len()),
        remedy: Remedy::words("follow the remedies after → above, then run it again"),
    }
    .into())
}

async fn findings(context: &Context) -> Result<Vec<Finding>> {
    if let Err(error) = context.load(None, None) {
        // Everything else follows from the file.
        return Ok(vec![Finding::of_error("stack file", &error, Remedy::words("correct it; docs/stack-file.md"))]);
    }
    let (stack, found) = context.existing().await?;
    Ok(examine::check(&stack, found.as_ref(), &context.paths).await)
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
