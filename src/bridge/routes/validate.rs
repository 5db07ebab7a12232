//! What cannot work although it is well-formed. Every rule is checked; none hides another.

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::Filter;
use super::merge::{Merged, Written};
use super::spec::{LaneSpec, RouteSpec, Spec};
use super::template::Template;
use super::{Route, Routes};
use crate::bridge::headers::is_own;
use crate::bridge::jq;
use crate::bridge::record::Lane;
use crate::mqtt::filters::{covers, overlap};
use crate::similar::similar;
use crate::stack::Stack;
use crate::stack::leaf::{self, Direction, LEAVES, Leaf, PRESS, TRIGGER};
use crate::stack::shape::Problem;

/// What must become an emergency, whatever routes say, and the built-in route for it.
const PRESSES: [(Leaf, &str); 2] = [(PRESS, "press"), (TRIGGER, "trigger")];

/// The routes, and everything that is wrong with them; the routes hold only what nothing is wrong with.
pub(super) fn build(merged: &Merged, user: &Spec, stack: &Stack) -> (Routes, Vec<Problem>) {
    let mut checks = Checks { stack, dead_letters: &merged.dead_letters, found: Vec::new() };
    checks.dead_letters();
    checks.names(user);
    let mut routes: Vec<(Route, &Written)> = Vec::new();
    for written in merged.routes.iter().filter(|written| !is_off(written)) {
        if let Some(route) = checks.route(written) {
            routes.push((route, written));
        }
    }
    checks.hidden(&routes);
    checks.presses(&routes, merged);
    let routes = routes.into_iter().map(|(route, _)| route).collect();
    (Routes::new(routes, Arc::from(merged.dead_letters.as_str())), checks.found)
}

fn is_off(written: &Written) -> bool {
    written.spec.enabled == Some(false)
}

struct Checks<'a> {
    stack: &'a Stack,
    dead_letters: &'a str,
    found: Vec<Problem>,
}

impl Checks<'_> {
    fn add(&mut self, path: impl Into<String>, words: impl Into<String>) {
        self.found.push(Problem { path: path.into(), words: words.into() });
    }

    /// A problem with one field of a route; with the route itself where the file does not name the field.
    fn of_route(&mut self, written: &Written, field: &str, words: impl Into<String>) {
        match &written.path {
            Some(path) => self.add(format!("{path}.{field}"), words),
            None => self.add("", format!("built-in route {:?}: {field}: {}", written.spec.name, words.into())),
        }
    }

    fn dead_letters(&mut self) {
        if let Some(words) = self.topic_problem(self.dead_letters) {
            self.add("dead_letters", words);
        }
    }

    fn names(&mut self, user: &Spec) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, route) in user.routes.iter().flatten().enumerate() {
            let path = format!("routes[{index}].name");
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if route.name.is_empty() || route.name.len() > 64 || !route.name.chars().all(allowed) {
                self.add(
                    path,
                    format!("{:?} is not a valid name: use 1 to 64 letters, digits, '-' and '_'", route.name),
                );
            } else if let Some(first) = seen.insert(&route.name, index) {
                self.add(path, format!("{} appears twice: also routes[{first}]", route.name));
            }
        }
    }

    /// A route of the model, where nothing is wrong with it.
    fn route(&mut self, written: &Written) -> Option<Route> {
        let before = self.found.len();
        let spec = &written.spec;
        let filter = self.filter(written);
        self.target(written);
        let is_emergency = spec.emergency.unwrap_or_default();
        if spec.qos.is_some_and(|qos| qos > 2) {
            self.of_route(written, "qos", format!("there is no QoS {}; use 0, 1 or 2", spec.qos.unwrap_or_default()));
        }
        if is_emergency && spec.retained == Some(true) {
            self.of_route(
                written,
                "retained",
                "a retained copy must not open an emergency: the press may be long past",
            );
        }
        let filter = filter?;
        let part = |name: &str| filter.parts().iter().position(|part| part == name);
        let (device, user) = (part("device"), part("user"));
        let key = self.key(written, &filter);
        let headers = self.headers(written, &filter);
        self.value(written, &filter);
        if is_emergency && device.is_none() && user.is_none() {
            self.of_route(written, "filter", "an emergency needs a device or a user: name a level {device} or {user}");
        }
        let route = Route {
            name: Arc::from(spec.name.as_str()),
            topic: Arc::from(spec.topic.as_deref().unwrap_or_default()),
            key: key?,
            headers,
            value: spec.value.clone(),
            qos: spec.qos.unwrap_or(1),
            lane: lane(spec, is_emergency),
            emergency: is_emergency,
            retained: spec.retained.unwrap_or_default(),
            device,
            user,
            filter,
        };
        (self.found.len() == before).then_some(route)
    }

    /// The filter, where it is one. What no device may write would never come; what the backend writes down to devices
    /// would come up again, and go round for ever where a service answers it.
    fn filter(&mut self, written: &Written) -> Option<Filter> {
        let Some(text) = &written.spec.filter else {
            self.missing(written, "filter");
            return None;
        };
        let filter = match Filter::parse(text) {
            Ok(filter) => filter,
            Err(words) => {
                self.of_route(written, "filter", format!("{text:?} is not a valid filter: {words}"));
                return None;
            }
        };
        let [up, down] = [Direction::Up, Direction::Down].map(|way| leaf::filters(way).collect::<Vec<String>>());
        if let Some(leaf) = down.iter().find(|leaf| overlap(filter.mqtt(), leaf)) {
            let words = format!("it takes {leaf}, which goes down to devices: replies from services would loop");
            self.of_route(written, "filter", words);
        } else if !up.iter().any(|leaf| overlap(filter.mqtt(), leaf)) {
            let hint = match similar(filter.mqtt(), up.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {}?", named(meant)),
                None => format!("they write {}", up.iter().map(|leaf| named(leaf)).collect::<Vec<_>>().join(", ")),
            };
            self.of_route(written, "filter", format!("no device may write to any topic that matches {text}; {hint}"));
        }
        Some(filter)
    }

    fn missing(&mut self, written: &Written, field: &str) {
        let words = format!("{field:?} is missing; no built-in route is called {:?}", written.spec.name);
        match &written.path {
            Some(path) => self.add(path.clone(), words),
            None => self.of_route(written, field, words),
        }
    }

    fn target(&mut self, written: &Written) {
        let Some(topic) = &written.spec.topic else { return self.missing(written, "topic") };
        if topic == self.dead_letters {
            self.of_route(written, "topic", format!("{topic} is for dead letters, which the bridge writes itself"));
        } else if let Some(words) = self.topic_problem(topic) {
            self.of_route(written, "topic", words);
        }
    }

    fn topic_problem(&self, topic: &str) -> Option<String> {
        let names = || self.stack.topics.iter().map(|topic| topic.name.as_str());
        if topic.contains(['/', '+', '#']) || topic.starts_with("mqtt:") {
            return Some(format!("{topic:?} is an MQTT topic; routes lead to Kafka, and a route back would loop"));
        }
        if names().any(|name| name == topic) {
            return None;
        }
        let hint = similar(topic, names()).map(|meant| format!("; did you mean {meant:?}?"));
        Some(format!("the stack has no topic {topic:?}{}", hint.unwrap_or_default()))
    }

    fn key(&mut self, written: &Written, filter: &Filter) -> Option<Template> {
        let is_emergency = written.spec.emergency.unwrap_or_default();
        let has = |name: &str| filter.parts().iter().any(|part| part == name);
        let text = match &written.spec.key {
            Some(text) => text,
            None if is_emergency => "{emergency}",
            None if has("device") => "{device}",
            None if has("user") => "{user}",
            None => {
                let words = "name a level {device} or {user}, or set the key";
                self.of_route(written, "filter", format!("nothing in it can be the key: {words}"));
                return None;
            }
        };
        if text.is_empty() {
            self.of_route(written, "key", "it is empty, and would put every message into one partition");
        }
        self.template(written, "key", text, filter)
    }

    fn template(&mut self, written: &Written, field: &str, text: &str, filter: &Filter) -> Option<Template> {
        let is_emergency = written.spec.emergency.unwrap_or_default();
        match Template::parse(text, filter.parts(), is_emergency) {
            Ok(template) => Some(template),
            Err(words) => {
                self.of_route(written, field, words);
                None
            }
        }
    }

    fn headers(&mut self, written: &Written, filter: &Filter) -> Vec<(Arc<str>, Template)> {
        let mut headers = Vec::new();
        for (name, text) in written.spec.headers.iter().flatten() {
            let field = format!("headers.{name}");
            if name.is_empty() || is_own(name) {
                self.of_route(written, &field, format!("the bridge sets {name:?} itself; choose another name"));
            }
            if let Some(template) = self.template(written, &field, text, filter) {
                headers.push((Arc::from(name.as_str()), template));
            }
        }
        headers
    }

    fn value(&mut self, written: &Written, filter: &Filter) {
        let Some(text) = &written.spec.value else { return };
        if let Err(words) = jq::check(text, filter.parts()) {
            self.of_route(written, "value", words);
        }
    }

    /// Routes to which no message ever comes.
    fn hidden(&mut self, routes: &[(Route, &Written)]) {
        for (index, (route, written)) in routes.iter().enumerate() {
            let earlier = routes[..index].iter().find(|(other, _)| covers(other.filter.mqtt(), route.filter.mqtt()));
            let Some((other, by)) = earlier else { continue };
            let (taken, taker) = (&route.filter, &other.name);
            // Said where the user can change it.
            if written.path.is_some() {
                let words = format!("route {taker:?} comes first and takes everything that matches {}", taken.mqtt());
                self.of_route(written, "filter", words);
            } else {
                let words = format!(
                    "it takes all of the built-in route {:?}; change that route by its name, or disable it with \
                     enabled: false",
                    route.name
                );
                self.of_route(by, "filter", words);
            }
        }
    }

    /// Each press and trigger becomes an emergency, by whichever route takes it.
    fn presses(&mut self, routes: &[(Route, &Written)], merged: &Merged) {
        for (leaf, name) in PRESSES {
            let press = leaf.filter();
            let mut is_settled = false;
            for (route, written) in routes.iter().filter(|(route, _)| overlap(route.filter.mqtt(), &press)) {
                if !route.emergency {
                    let words = format!("{press} must become an emergency, whatever it contains: set emergency: true");
                    self.of_route(written, "emergency", words);
                }
                is_settled = !route.emergency || covers(route.filter.mqtt(), &press);
                if is_settled {
                    break;
                }
            }
            if !is_settled {
                self.nobody_takes(name, &press, merged, routes);
            }
        }
    }

    fn nobody_takes(&mut self, name: &str, press: &str, merged: &Merged, routes: &[(Route, &Written)]) {
        let words = format!("no route takes all of {press}, which must become an emergency");
        match merged.routes.iter().find(|written| written.spec.name == name && written.path.is_some()) {
            Some(written) if is_off(written) => self.of_route(written, "enabled", words),
            Some(written) if routes.iter().any(|(route, _)| &*route.name == name) => {
                self.of_route(written, "filter", words);
            }
            // Something is wrong with it, which was said.
            Some(_) => {}
            None => self.add("routes", words),
        }
    }
}

fn lane(spec: &RouteSpec, is_emergency: bool) -> Lane {
    match spec.lane {
        Some(LaneSpec::Emergencies) => Lane::Emergencies,
        Some(LaneSpec::Alerts) => Lane::Alerts,
        None if is_emergency => Lane::Emergencies,
        Some(LaneSpec::Rest) | None => Lane::Rest,
    }
}

/// A leaf's filter as it would be written in a route.
fn named(filter: &str) -> &str {
    LEAVES.into_iter().find(|leaf| leaf.filter() == filter).map_or(filter, |leaf| leaf.shape)
}
