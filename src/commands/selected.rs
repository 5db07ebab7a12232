//! Which services and bridges a user's words mean.

use anyhow::Result;

use super::Context;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::memo::Memo;
use crate::runtime::Inventory;
use crate::runtime::bridges::Hosted;
use crate::stack::{Bridge, Member, Service, StackName};

/// Parts of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) services: Vec<Service>,
    pub(super) bridges: Vec<Bridge>,
}

impl Selected {
    /// What the words mean of a stack; all of it when there are no words.
    ///
    /// # Errors
    /// [`Failure::Usage`] where a word means nothing of it.
    pub(super) fn of(context: &Context, name: &StackName, inventory: &Inventory, words: &[String]) -> Result<Self> {
        let services = inventory.instances.iter().map(|instance| instance.service).collect();
        let has_bridges = Memo::read(&context.paths.stack(name))?.bridges.is_some()
            || !Hosted::of(&context.paths, name).instances()?.is_empty();
        let bridges = if has_bridges { Bridge::ALL.to_vec() } else { Vec::new() };
        Ok(Self { services, bridges }.named(words)?)
    }

    /// Of these, those that the words mean.
    fn named(self, words: &[String]) -> Result<Self, Failure> {
        if words.is_empty() {
            return Ok(self);
        }
        let is_known = |word: &&String| {
            let service = self.services.iter().any(|service| service.matches(word));
            service || self.bridges.iter().any(|bridge| bridge.matches(word))
        };
        if let Some(word) = words.iter().find(|word| !is_known(word)) {
            let names = self.members().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let kinds = if self.bridges.is_empty() { "" } else { ", bridge" };
            return Err(Failure::Usage {
                cause: format!("this stack has no service {word:?}"),
                remedy: Remedy::words(format!("name one of {names}, or a kind: zookeeper, kafka, mosquitto{kinds}")),
            });
        }
        Ok(Self {
            services: self.services.into_iter().filter(|one| words.iter().any(|word| one.matches(word))).collect(),
            bridges: self.bridges.into_iter().filter(|one| words.iter().any(|word| one.matches(word))).collect(),
        })
    }

    /// All of it, services first.
    pub(super) fn members(&self) -> Vec<Member> {
        let services = self.services.iter().map(|service| Member::from(*service));
        services.chain(self.bridges.iter().map(|bridge| Member::from(*bridge))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_services_and_bridges_and_no_word_means_all() {
        let all =
            || Selected { services: vec![Service::kafka(0), Service::mosquitto()], bridges: Bridge::ALL.to_vec() };
        let named = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let names = |selected: Selected| selected.members().iter().map(ToString::to_string).collect::<Vec<_>>();
            all().named(&words).map(names).map_err(|failure| failure.remedy().unwrap().to_string())
        };
        assert_eq!(named(&[]).unwrap(), ["kafka-0", "mosquitto", "bridge-0", "bridge-1"]);
        assert_eq!(named(&["bridge-1", "mqtt"]).unwrap(), ["mosquitto", "bridge-1"]);
        assert_eq!(named(&["bridge"]).unwrap(), ["bridge-0", "bridge-1"]);
        assert!(named(&["bridge-2"]).unwrap_err().ends_with("a kind: zookeeper, kafka, mosquitto, bridge"));
        let none = Selected { bridges: Vec::new(), ..all() };
        assert!(none.named(&["bridge".to_owned()]).is_err(), "there is none");
    }
}
