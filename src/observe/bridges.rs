//! A stack's bridges at one moment, and what follows from it.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;

use super::said::{Journal, Said};
use crate::runtime::State;
use crate::runtime::bridges::{Hosted, Instance};
use crate::stack::Bridge;

/// From here on, in percents, the journal drops what came at QoS 0.
pub const NEARLY_FULL: u64 = 80;

/// See the module.
#[derive(Debug, Clone)]
pub struct Bridges(pub Vec<Seen>);

/// One bridge and what it says.
#[derive(Debug, Clone)]
pub struct Seen {
    pub bridge: Bridge,
    /// None where it was never made.
    pub instance: Option<Instance>,
    /// Or why it says nothing; empty where its state says all.
    pub says: Result<Said, String>,
}

impl Seen {
    pub fn state(&self) -> State {
        self.instance.as_ref().map_or(State::Missing, |instance| instance.state)
    }

    fn said(&self) -> Option<&Said> {
        self.says.as_ref().ok()
    }

    /// Whether it brings messages to Kafka just now, or the journal.
    fn works(&self) -> bool {
        self.said().is_some_and(|said| said.active && said.connected && said.problem.is_none())
    }

    fn is_standby(&self) -> bool {
        self.said().is_some_and(|said| !said.active)
    }

    /// What it does.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn words(&self) -> Result<String, String> {
        let said = self.says.as_ref().map_err(Clone::clone)?;
        match (said.active, &said.problem) {
            (false, _) => Ok("standby".to_owned()),
            (true, Some(problem)) => Err(format!("active, but takes no messages: {problem}")),
            (true, None) if !said.connected => Err("active, but not connected to Mosquitto".to_owned()),
            (true, None) => Ok("active, connected".to_owned()),
        }
    }
}

impl Bridges {
    /// Asks both at once; each may take as long as `patience`.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn take(hosted: &Hosted, patience: Duration) -> Result<Self> {
        let mut instances = hosted.instances()?;
        let seen = Bridge::ALL.into_iter().map(|bridge| {
            let instance = instances.iter().position(|one| one.bridge == bridge).map(|at| instances.swap_remove(at));
            async move {
                let says = says(instance.as_ref(), patience).await;
                Seen { bridge, instance, says }
            }
        });
        Ok(Self(join_all(seen.collect::<Vec<_>>()).await))
    }

    /// The one that works, if one does.
    pub fn active(&self) -> Option<Bridge> {
        self.0.iter().find(|seen| seen.works()).map(|seen| seen.bridge)
    }

    /// Whether the one that works brings presses of the probe to Kafka, too.
    pub fn is_provable(&self) -> bool {
        self.0.iter().any(|seen| seen.works() && seen.said().is_some_and(|said| said.provable))
    }

    /// The one that waits to take over, if one does.
    pub fn standby(&self) -> Option<Bridge> {
        self.0.iter().find(|seen| seen.is_standby()).map(|seen| seen.bridge)
    }

    /// Both, the one that is active or may be comes last.
    pub fn standby_first(&self) -> Vec<Bridge> {
        let mut seen: Vec<&Seen> = self.0.iter().collect();
        seen.sort_by_key(|seen| !seen.is_standby());
        seen.into_iter().map(|seen| seen.bridge).collect()
    }

    /// What waits on disk; None where no active bridge tells.
    pub fn journal(&self) -> Option<Journal> {
        let active = self.0.iter().filter_map(Seen::said).find(|said| said.active);
        active.map(|said| said.journal)
    }

    /// What both have counted since they were started.
    pub fn count(&self, of: impl Fn(&Said) -> u64) -> u64 {
        self.0.iter().filter_map(Seen::said).map(of).sum()
    }

    /// Which one is what.
    ///
    /// # Errors
    /// What keeps them from being ready: one subscribed and active, the other waiting.
    pub fn ready(&self) -> Result<(Bridge, Bridge), String> {
        match (self.active(), self.standby()) {
            (Some(active), Some(standby)) => Ok((active, standby)),
            _ => Err(self
                .0
                .iter()
                .map(|seen| format!("{}: {}", seen.bridge, one_words(seen)))
                .collect::<Vec<_>>()
                .join("; ")),
        }
    }

    /// What is not as it should be although messages get through.
    pub fn degraded(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.active().is_some() && self.standby().is_none() {
            words.push("no standby".to_owned());
        }
        let percent = self.journal().unwrap_or_default().percent();
        if percent >= NEARLY_FULL {
            words.push(format!("the journal is {percent} % full"));
        }
        let dropped = self.count(|said| said.dropped);
        if dropped > 0 {
            words.push(format!("{} dropped because the journal was nearly full", messages(dropped)));
        }
        words
    }
}

/// `1 message`, `7 messages`.
pub fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// `1 dead letter …`, `7 dead letters …`: as often as it was counted.
pub fn dead_letters(count: u64) -> String {
    let letters = if count == 1 { "letter" } else { "letters" };
    format!("{count} dead {letters} since the bridges were started")
}

fn one_words(seen: &Seen) -> String {
    match (seen.words(), seen.state()) {
        (Err(words) | Ok(words), _) if !words.is_empty() => words,
        (_, State::Missing) => "there is none".to_owned(),
        (_, State::Stopped) => "it is stopped".to_owned(),
        _ => "it has ended".to_owned(),
    }
}

async fn says(instance: Option<&Instance>, patience: Duration) -> Result<Said, String> {
    match instance {
        Some(one) if one.state == State::Running => {
            Said::ask(one.port, patience).await.map_err(|error| format!("{error:#}"))
        }
        Some(one) if one.state == State::Paused => Err("it answers nobody until it is resumed".to_owned()),
        _ => Err(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bridge: Bridge, says: Result<Said, String>) -> Seen {
        let state = if says.is_ok() { State::Running } else { State::Exited { code: None } };
        let instance =
            Instance { bridge, hash: String::new(), port: 0, state, stopped: false, started: None, pid: None };
        Seen { bridge, instance: Some(instance), says }
    }

    fn active() -> Said {
        Said { active: true, connected: true, ..Said::default() }
    }

    #[test]
    fn one_is_active_and_the_other_waits() {
        let [first, second] = Bridge::ALL;
        let both = |one, other| Bridges(vec![seen(first, one), seen(second, other)]);
        let good = both(Ok(Said::default()), Ok(active()));
        assert_eq!((good.ready(), good.degraded()), (Ok((second, first)), Vec::new()));
        assert_eq!(good.standby_first(), [first, second]);
        assert_eq!(both(Ok(active()), Ok(Said::default())).standby_first(), [second, first]);

        let alone = both(Ok(active()), Err(String::new()));
        assert_eq!(alone.ready(), Err("bridge-0: active, connected; bridge-1: it has ended".to_owned()));
        assert_eq!(alone.degraded(), ["no standby"]);
        let away = Said { connected: false, problem: Some("not connected".to_owned()), ..active() };
        assert!(both(Ok(away), Ok(Said::default())).ready().unwrap_err().contains("takes no messages: not connected"));
    }

    #[test]
    fn what_is_lost_or_about_to_be_is_said() {
        let journal = Journal { messages: 7, bytes: 81, limit: 100, age: 3 };
        let said = Said { journal, dropped: 2, ..active() };
        let [first, second] = Bridge::ALL;
        let bridges = Bridges(vec![seen(first, Ok(said)), seen(second, Ok(Said::default()))]);
        let words = ["the journal is 81 % full", "2 messages dropped because the journal was nearly full"];
        assert_eq!(bridges.degraded(), words);
    }
}
