//! The bridges that a stack is to have: by the arguments, else as it remembers.

use std::path::PathBuf;

use anyhow::Result;

use super::Context;
use crate::about::Remedy;
use crate::bridge::journal;
use crate::bridge::routes::Routes;
use crate::cli::UpBridgesArgs;
use crate::failure::Failure;
use crate::lifecycle::bridges::Plan;
use crate::memo::{Bridging, Memo};
use crate::runtime::bridges::Hosted;
use crate::stack::{Stack, StackName};

/// How bridges are wanted; None where they are not. With `fresh`, what is remembered goes with the stack.
///
/// # Errors
/// [`Failure::Usage`] where an option is about bridges and there are none; others when the memo or the working directory
/// cannot be read.
pub(super) fn wanted(
    context: &Context,
    name: &StackName,
    args: &UpBridgesArgs,
    fresh: bool,
) -> Result<Option<Bridging>> {
    let remembered = if fresh { None } else { remembered(context, name)? };
    let routes = args.bridge_routes.as_deref().map(std::path::absolute).transpose()?;
    Ok(chosen(remembered, args, routes)?)
}

/// `routes` is the file that is named now.
fn chosen(
    remembered: Option<Bridging>,
    args: &UpBridgesArgs,
    routes: Option<PathBuf>,
) -> Result<Option<Bridging>, Failure> {
    if args.no_bridge {
        return Ok(None);
    }
    if !args.bridge && remembered.is_none() {
        return args.change().map_or(Ok(None), |option| {
            let cause = format!("{option} is for a stack with bridges, and none are wanted");
            Err(Failure::Usage { cause, remedy: Remedy::words("add --bridge") })
        });
    }
    let before = remembered.unwrap_or_default();
    let interval = args.bridge_probe.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
    Ok(Some(Bridging {
        routes: routes.or(before.routes.filter(|_| !args.no_bridge_routes)),
        probe_ms: interval.or(before.probe_ms.filter(|_| !args.no_bridge_probe)),
        emergency_status: args.bridge_emergency_status || (before.emergency_status && !args.no_bridge_emergency_status),
    }))
}

/// As `up` was told last.
///
/// # Errors
/// When the memo cannot be read.
pub(super) fn remembered(context: &Context, name: &StackName) -> Result<Option<Bridging>> {
    Ok(Memo::read(&context.paths.stack(name))?.bridges)
}

/// What they are started from, once their routes are known to be valid.
///
/// # Errors
/// [`crate::failure::Failure::InvalidRoutes`] with every problem; others when a file cannot be read.
pub(super) fn plan(context: &Context, stack: &Stack, wanted: &Bridging) -> Result<Plan> {
    Routes::load(wanted.routes.as_deref(), stack)?;
    Plan::new(stack, &context.paths, wanted)
}

/// How many messages wait in a stack's journal, which is about to be removed once its bridges have ended.
///
/// # Errors
/// [`crate::failure::Failure::Failed`] where a bridge that is not the stack's own works with it.
pub(super) fn waiting(context: &Context, name: &StackName) -> Result<u64> {
    let own = Hosted::of(&context.paths, name).instances()?;
    let own: Vec<u32> = own.into_iter().filter_map(|instance| instance.pid).collect();
    journal::removable(&context.paths.bridge(name), &own)
}

/// What is lost with a journal.
pub(super) fn waiting_words(waiting: u64) -> String {
    match waiting {
        1 => "1 message waiting in the bridge's journal for Kafka".to_owned(),
        waiting => format!("{waiting} messages waiting in the bridge's journal for Kafka"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bridge::run::metrics::{Metrics, Qos};
    use crate::observe::Said;

    #[test]
    fn each_choice_lasts_until_it_is_taken_back() {
        let probing = || UpBridgesArgs { bridge_probe: Some(Duration::from_secs(30)), ..UpBridgesArgs::default() };
        let telling = || UpBridgesArgs { bridge_emergency_status: true, ..UpBridgesArgs::default() };
        let file = || Some(PathBuf::from("/routes.yaml"));
        let all = UpBridgesArgs { bridge: true, bridge_emergency_status: true, ..probing() };
        let wanted = chosen(None, &all, file()).unwrap();
        let expected = Bridging { routes: file(), probe_ms: Some(30_000), emergency_status: true };
        assert_eq!(wanted, Some(expected.clone()));
        assert_eq!(chosen(wanted.clone(), &UpBridgesArgs::default(), None).unwrap(), wanted, "it is remembered");
        assert_eq!(chosen(Some(Bridging::default()), &telling(), None).unwrap().unwrap().probe_ms, None);

        let no_probe = UpBridgesArgs { no_bridge_probe: true, ..UpBridgesArgs::default() };
        let without = Bridging { probe_ms: None, ..expected.clone() };
        assert_eq!(chosen(wanted.clone(), &no_probe, None).unwrap(), Some(without));
        let neither =
            UpBridgesArgs { no_bridge_routes: true, no_bridge_emergency_status: true, ..UpBridgesArgs::default() };
        let rest = Bridging { probe_ms: Some(30_000), ..Bridging::default() };
        assert_eq!(chosen(wanted.clone(), &neither, None).unwrap(), Some(rest));
        let away = UpBridgesArgs { no_bridge: true, ..UpBridgesArgs::default() };
        assert_eq!(chosen(wanted, &away, None).unwrap(), None);

        assert_eq!(chosen(None, &UpBridgesArgs::default(), None).unwrap(), None);
        for (alone, named) in [(probing(), "--bridge-probe "), (no_probe, "--no-bridge-probe ")] {
            let refused = chosen(None, &alone, None).unwrap_err().to_string();
            assert!(refused.starts_with(named), "{refused}");
        }
    }

    #[test]
    fn a_bridge_is_understood_by_whoever_asks_it() {
        let metrics = Metrics::default();
        metrics.active.set(1);
        metrics.connected.set(1);
        metrics.journal_bytes.set(850);
        metrics.journal_limit.set(1000);
        metrics.journal_messages.get_or_create(&crate::bridge::record::Lane::Rest.into()).set(7);
        metrics.journal_age.get_or_create(&crate::bridge::record::Lane::Rest.into()).set(3.5);
        metrics.dropped.get_or_create(&Qos { qos: 1 }).inc();
        metrics.dead_letters.inc();
        metrics.sessions_lost.inc();
        metrics.damaged.inc();
        let said = Said::of_metrics(&metrics.text().unwrap());
        assert!(said.active && said.connected, "{said:?}");
        assert_eq!((said.journal.percent(), said.journal.messages, said.journal.age), (85, 7, 3));
        assert_eq!((said.dropped, said.dead_letters, said.sessions_lost, said.damaged), (1, 1, 1, 1));
    }
}
