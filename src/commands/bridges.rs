//! The bridges that a stack is to have: by the arguments, else as it remembers.

use anyhow::Result;

use super::Context;
use crate::bridge::journal;
use crate::bridge::routes::Routes;
use crate::cli::UpArgs;
use crate::lifecycle::bridges::Plan;
use crate::memo::{Bridging, Memo};
use crate::runtime::bridges::Hosted;
use crate::stack::{Stack, StackName};

/// How bridges are wanted; None where they are not.
///
/// # Errors
/// When the memo or the working directory cannot be read.
pub(super) fn wanted(context: &Context, name: &StackName, args: &UpArgs) -> Result<Option<Bridging>> {
    let remembered = remembered(context, name)?;
    if args.no_bridge || !(args.bridge || remembered.is_some()) {
        return Ok(None);
    }
    let mut wanted = remembered.unwrap_or_default();
    if let Some(routes) = &args.bridge_routes {
        wanted.routes = Some(std::path::absolute(routes)?);
    }
    Ok(Some(wanted))
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
    use crate::bridge::run::metrics::{Metrics, Qos};
    use crate::observe::Said;

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
