//! A stack's bridges: whether messages get to Kafka, and what was lost or put aside on the way.

use std::time::Duration;

use anyhow::Context as _;

use super::Finding;
use crate::about::{About, Remedy};
use crate::endpoints::Endpoints;
use crate::lifecycle::bridges::Plan;
use crate::memo::Memo;
use crate::observe::Bridges;
use crate::observe::bridges::{NEARLY_FULL, dead_letters, messages};
use crate::observe::press::prove;
use crate::paths::Paths;
use crate::runtime::bridges::Hosted;
use crate::secrets::Accounts;
use crate::stack::Stack;
use crate::{kafka, mqtt};

const SUBJECT: &str = "bridge";
/// How long a bridge may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// From here on, in percents, the journal drops what came at QoS 1, too.
const FULL: u64 = 95;

/// Checks the bridges of a stack that is to have some; with `endpoints`, also that they bring a press to Kafka.
pub(super) async fn check(stack: &Stack, paths: &Paths, endpoints: Option<&Endpoints>) -> Vec<Finding> {
    let about = stack.name.about();
    let Some(wanted) = Memo::read(&paths.stack(&stack.name)).unwrap_or_default().bridges else { return Vec::new() };
    let hosted = Hosted::of(paths, &stack.name);
    let bridges = match Bridges::take(&hosted, PATIENCE).await {
        Ok(bridges) => bridges,
        Err(error) => return vec![Finding::of_error(SUBJECT, &error, about.remedy("up"))],
    };
    let mut findings = vec![at_work(&bridges, &about)];
    if let (Some(endpoints), true) = (endpoints, bridges.active().is_some()) {
        findings.push(pressed(stack, paths, endpoints, &about).await);
    }
    findings.extend(room(&bridges, &about));
    findings.extend(lost(&bridges, &about));
    let plan = Plan::new(stack, paths, &wanted);
    let instances: Vec<_> = bridges.0.into_iter().filter_map(|seen| seen.instance).collect();
    let differs = |plan: Plan| instances.iter().any(|one| one.state.is_alive() && !plan.is_of(one));
    match plan.map(differs) {
        Ok(false) => {}
        Ok(true) => findings.push(Finding::warning(
            SUBJECT,
            "the running bridge is another version, or its routes or the stack file have changed since",
            about.remedy("up"),
        )),
        Err(error) => {
            findings.push(Finding::of_error(SUBJECT, &error, about.remedy("up --bridge --bridge-routes FILE")));
        }
    }
    findings
}

fn at_work(bridges: &Bridges, about: &About) -> Finding {
    match (bridges.active(), bridges.standby()) {
        (Some(active), Some(standby)) => {
            Finding::good(SUBJECT, format!("{active} is subscribed and active, {standby} is its standby"))
        }
        (Some(active), None) => {
            let words = format!("{active} is active, but has no standby: if it exits, nothing reaches Kafka");
            Finding::warning(SUBJECT, words, about.remedy("up"))
        }
        (None, _) => {
            let words = bridges.ready().err().unwrap_or_default();
            let remedy = Remedy::either([about.remedy("up"), about.remedy("logs bridge").then(" says why")]);
            Finding::bad(SUBJECT, format!("nothing reaches Kafka: {words}"), remedy)
        }
    }
}

/// As the probe's device, so that nobody is alarmed.
async fn pressed(stack: &Stack, paths: &Paths, endpoints: &Endpoints, about: &About) -> Finding {
    let prove = async {
        let accounts = Accounts::read(&paths.stack(&stack.name))?.context("the stack has no accounts")?;
        let mqtt = mqtt::access::Access::probe(endpoints, &accounts.probe);
        prove(&mqtt, &kafka::access::Access::of_stack(endpoints), PATIENCE).await
    };
    match prove.await {
        Ok(took) => Finding::good(SUBJECT, format!("a press of the probe got to Kafka in {} ms", took.as_millis())),
        Err(error) => Finding::of_error(
            SUBJECT,
            &error,
            Remedy::either([about.remedy("up"), about.remedy("logs bridge").then(" says why")]),
        ),
    }
}

fn room(bridges: &Bridges, about: &About) -> Option<Finding> {
    let journal = bridges.journal()?;
    let percent = journal.percent();
    let inspect =
        about.remedy("bridge journal inspect").then(" shows what is waiting for which topic; bring Kafka back");
    let words = |dropped: &str| {
        format!("the journal is {percent} % full ({} wait for Kafka): {dropped}", messages(journal.messages))
    };
    match percent {
        ..NEARLY_FULL => None,
        NEARLY_FULL..FULL => Some(Finding::warning(SUBJECT, words("the rest at QoS 0 is dropped"), inspect)),
        _ => Some(Finding::bad(SUBJECT, words("only emergencies and alerts are accepted"), inspect)),
    }
}

/// Since the bridges were started.
fn lost(bridges: &Bridges, about: &About) -> Vec<Finding> {
    let dropped = bridges.count(|said| said.dropped);
    let letters = bridges.count(|said| said.dead_letters);
    let sessions = bridges.count(|said| said.sessions_lost);
    let damaged = bridges.count(|said| said.damaged);
    let logs = || about.remedy("logs bridge").then(" says when");
    let dead = || about.remedy("bridge dlq list").then(" says why; bridge dlq replay sends them again after a fix");
    let findings = [
        (dropped, format!("{} dropped because the journal was nearly full", messages(dropped)), logs()),
        (letters, dead_letters(letters), dead()),
        (
            sessions,
            format!("Mosquitto lost the bridge's session {sessions} ×: the messages queued for it are gone"),
            logs(),
        ),
        (damaged, format!("{damaged} parts of the journal could not be read"), logs()),
    ];
    let findings = findings.into_iter().filter(|(count, ..)| *count > 0);
    findings.map(|(_, words, remedy)| Finding::warning(SUBJECT, words, remedy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::observe::bridges::Seen;
    use crate::observe::{Journal, Said};
    use crate::stack::Bridge;

    fn bridges(said: Said) -> Bridges {
        Bridges(vec![Seen { bridge: Bridge::ALL[0], instance: None, says: Ok(said) }])
    }

    #[test]
    fn a_journal_that_fills_is_a_warning_and_then_worse() {
        let about = About::this_machine();
        let of = |bytes| {
            let journal = Journal { bytes, limit: 100, messages: 1, age: 1 };
            room(&bridges(Said { active: true, journal, ..Said::default() }), &about).map(|finding| finding.verdict)
        };
        assert_eq!(
            [79, 80, 94, 95].map(of),
            [None, Some(Verdict::Warning), Some(Verdict::Warning), Some(Verdict::Bad)]
        );
    }

    #[test]
    fn nothing_is_lost_in_silence() {
        let about = About::this_machine();
        assert_eq!(lost(&bridges(Said::default()), &about), []);
        let said = Said { dropped: 1, dead_letters: 2, sessions_lost: 3, damaged: 4, ..Said::default() };
        let words: Vec<String> = lost(&bridges(said), &about).into_iter().map(|finding| finding.words).collect();
        assert!(words.len() == 4 && words[1] == "2 dead letters since the bridges were started", "{words:?}");
    }
}
