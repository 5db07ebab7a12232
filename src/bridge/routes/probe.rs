//! The route of the probe's press: the bridge's own, which no routes file names or changes.

use std::sync::Arc;

use super::filter::Filter;
use super::template::Template;
use super::{Route, Routes};
use crate::bridge::record::Lane;
use crate::stack::device::{PROBE_PRESS, PROBE_USER};
use crate::stack::topic::PROBE_TOPIC;

impl Routes {
    /// With the route of the probe's press, which is asked before all others: no route of the user's may make an emergency of
    /// it.
    #[must_use]
    pub fn with_probe(self) -> Self {
        let routes = [route()].into_iter().chain(self.all).collect();
        Self::new(routes, self.dead_letters)
    }
}

/// The way of a press, but for its end: nobody reads that topic.
fn route() -> Route {
    Route {
        name: Arc::from("probe"),
        filter: Filter::parse(PROBE_PRESS).expect("a test maps it"),
        topic: Arc::from(PROBE_TOPIC),
        key: Template::parse(PROBE_USER, &[], false).expect("a test maps it"),
        headers: Vec::new(),
        value: None,
        qos: 2,
        lane: Lane::Emergencies,
        emergency: false,
        retained: false,
        device: None,
        user: None,
    }
}
