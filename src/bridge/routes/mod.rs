//! Routes: what becomes of a message, by its topic. Data, checked all at once before any of it is used.

pub mod filter;
pub mod load;
mod merge;
mod probe;
mod spec;
pub mod template;
mod validate;

use std::collections::HashMap;
use std::sync::Arc;

use filter::{Filter, Parts};
use template::Template;

use super::record::Lane;

/// All routes, valid, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    all: Vec<Route>,
    dead_letters: Arc<str>,
    /// By a topic's first level, in order; those whose first level is a wildcard are with each.
    by_first: HashMap<String, Vec<usize>>,
    /// Whose first level is a wildcard.
    any_first: Vec<usize>,
}

/// What becomes of messages whose topic fits a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub name: Arc<str>,
    pub filter: Filter,
    /// The Kafka topic that gets the messages.
    pub topic: Arc<str>,
    pub key: Template,
    pub headers: Vec<(Arc<str>, Template)>,
    /// jq that makes the value; the payload is the value where there is none.
    pub value: Option<String>,
    /// 0, 1 or 2: at which QoS the bridge subscribes.
    pub qos: u8,
    pub lane: Lane,
    /// Whether messages become emergencies, whatever stands in them.
    pub emergency: bool,
    /// Whether the server's retained copies are taken, too.
    pub retained: bool,
    /// The parts of its topic that name the device and the user.
    pub device: Option<usize>,
    pub user: Option<usize>,
}

/// What has to be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub filter: String,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Whether retained copies are wanted.
    pub retained: bool,
}

impl Routes {
    fn new(routes: Vec<Route>, dead_letters: Arc<str>) -> Self {
        let mut by_first: HashMap<String, Vec<usize>> = HashMap::new();
        for first in routes.iter().filter_map(|route| route.filter.first()) {
            by_first.entry(first.to_owned()).or_default();
        }
        for (first, those) in &mut by_first {
            let fits = |route: &Route| route.filter.first().is_none_or(|level| level == first);
            those.extend(routes.iter().enumerate().filter(|(_, route)| fits(route)).map(|(index, _)| index));
        }
        let wild = |(index, route): (usize, &Route)| route.filter.first().is_none().then_some(index);
        let any_first = routes.iter().enumerate().filter_map(wild).collect();
        Self { all: routes, dead_letters, by_first, any_first }
    }

    /// The first route that a topic fits, its number, and the topic's parts by that route's filter.
    pub fn find<'a>(&self, topic: &'a str) -> Option<(usize, &Route, Parts<'a>)> {
        let first = topic.split('/').next().unwrap_or(topic);
        let asked = self.by_first.get(first).unwrap_or(&self.any_first);
        asked.iter().find_map(|index| {
            let route = &self.all[*index];
            Some((*index, route, route.filter.fit(topic)?))
        })
    }

    /// In the order in which they are asked.
    pub fn all(&self) -> &[Route] {
        &self.all
    }

    /// The Kafka topic for what cannot be mapped.
    pub fn dead_letters(&self) -> &Arc<str> {
        &self.dead_letters
    }

    /// Every filter once, at the highest QoS that a route asks for.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let mut wanted: Vec<Subscription> = Vec::new();
        for route in &self.all {
            match wanted.iter_mut().find(|other| other.filter == route.filter.mqtt()) {
                Some(other) => {
                    other.qos = other.qos.max(route.qos);
                    other.retained |= route.retained;
                }
                None => wanted.push(Subscription {
                    filter: route.filter.mqtt().to_owned(),
                    qos: route.qos,
                    retained: route.retained,
                }),
            }
        }
        wanted
    }

    /// The Kafka topics that are written to, each once: the dead letters' last.
    pub fn topics(&self) -> Vec<Arc<str>> {
        let mut topics: Vec<Arc<str>> = Vec::new();
        for topic in self.all.iter().map(|route| &route.topic).chain([&self.dead_letters]) {
            if !topics.contains(topic) {
                topics.push(Arc::clone(topic));
            }
        }
        topics
    }
}

#[cfg(test)]
mod tests;
