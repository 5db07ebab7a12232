//! `sosstack verify`

use anyhow::Result;

use super::{Context, export};
use crate::about::Remedy;
use crate::cli::export::{VerifyCommand, VerifyK8sArgs};
use crate::failure::Failure;
use crate::secrets::Accounts;
use crate::ui::Table;
use crate::ui::table::{Cell, ERROR, GOOD};
use crate::verify::kubectl::Kubectl;
use crate::verify::{DeviceLogin, Finding, Verified, verify};

pub(super) async fn run(context: &Context, command: &VerifyCommand) -> Result<()> {
    match command {
        VerifyCommand::K8s(args) => cluster(context, args).await,
    }
}

async fn cluster(context: &Context, args: &VerifyK8sArgs) -> Result<()> {
    let mut stack = context.load_for_cluster(None)?;
    export::set_namespace(&mut stack, args.namespace.as_ref())?;
    // The cluster holds hashes only, so a device's login can be tried where its password is known.
    let accounts = Accounts::read(&context.paths.stack(&stack.name))?;
    let device = accounts
        .as_ref()
        .and_then(|accounts| accounts.devices.first_key_value())
        .map(|(id, enrolled)| DeviceLogin { id: id.clone(), password: enrolled.account.password.clone() });
    let kubectl = Kubectl { context: args.kube_context.clone(), namespace: stack.namespace.clone() };
    let report = |event| context.ui.report(event);
    let findings = verify(&stack, &kubectl, device.as_ref(), args.timeout, &report).await?;
    let verified = Verified::of(&stack.namespace, findings);
    context.ui.show(&verified, |verified| table(&verified.checks))?;
    let failed: Vec<&Finding> = verified.failed().collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let parts: Vec<&str> = failed.iter().map(|finding| finding.part).collect();
    Err(Failure::Failed {
        cause: format!("{} of {} parts do not work: {}", failed.len(), verified.checks.len(), parts.join(", ")),
        remedy: Remedy::words(first.remedy.clone()),
    }
    .into())
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new(&["PART", "STATE", "FOUND"]);
    for finding in findings {
        let state = if finding.ok { Cell::styled("ok", GOOD) } else { Cell::styled("failed", ERROR) };
        table.row(vec![finding.part.into(), state, finding.detail.clone().into()]);
    }
    table.render()
}
