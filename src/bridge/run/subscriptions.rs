//! Which filters the session has at the server, and which of several copies of a message counts.
//!
//! A server may send a message once for each subscription that it matches (MQTT 5, 3.3.4), and Mosquitto does. Each copy tells
//! by an identifier for which one it is. Identifiers only grow within a session, and where filters overlap, the one whose route
//! is asked first has the lowest. A copy is left where a subscription with a lower identifier matches, too: that one was there
//! before this one's identifier was, and still is, so it has a copy of its own. Whatever is in doubt is taken, such as
//! messages for a subscription that is just being changed: twice rather than never.

use serde::{Deserialize, Serialize};

use crate::bridge::routes::Routes;
use crate::mqtt::filters::{matches, overlap};
use crate::mqtt::inbox::{Change, Wanted};
use crate::stack::device::PROBE_PRESS;

/// See the module. Kept with the session, whose queue may hold messages for each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriptions {
    /// The last identifier that was given away.
    last: u32,
    held: Vec<Held>,
    /// What the server was told, or is to be told, to send no more of.
    leaving: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// As the server knows it.
    filter: String,
    id: u32,
    /// Whether the server has said so.
    granted: bool,
}

impl Subscriptions {
    /// What the server is to be asked, so that it sends what these routes take and nothing else. With `share`, the bridges
    /// of that name share the messages; with `probes`, presses of the probe are wanted, if the server lets us have them.
    pub fn change(&mut self, routes: &Routes, share: Option<&str>, probes: bool) -> Change {
        let mut held: Vec<Held> = Vec::new();
        let mut subscribe: Vec<Wanted> = Vec::new();
        for one in routes.subscriptions() {
            let is_probe = one.filter == PROBE_PRESS;
            if is_probe && !probes {
                continue;
            }
            // Each bridge waits for its own probe.
            let share = share.filter(|_| !is_probe);
            let filter = share.map_or_else(|| one.filter.clone(), |name| format!("$share/{name}/{}", one.filter));
            let before = held.iter().filter(|other| overlap(&other.filter, &filter)).map(|other| other.id).max();
            let fits = |kept: &&Held| kept.filter == filter && kept.granted && Some(kept.id) > before;
            let kept = self.held.iter().find(fits).cloned();
            let now = kept.unwrap_or_else(|| {
                self.last += 1;
                Held { filter: filter.clone(), id: self.last, granted: false }
            });
            // Whichever of the sharing bridges has another copy may go by other routes just now: none is left.
            let id = share.is_none().then_some(now.id);
            let retained = one.retained && share.is_none();
            subscribe.push(Wanted { filter, qos: one.qos, retained, id, optional: is_probe });
            held.push(now);
        }
        subscribe.sort_by_key(|wanted| wanted.id);
        let before = self.held.drain(..).map(|held| held.filter).chain(self.leaving.drain(..));
        let mut leaving: Vec<String> = before.filter(|filter| held.iter().all(|held| held.filter != *filter)).collect();
        leaving.sort();
        leaving.dedup();
        (self.held, self.leaving) = (held, leaving);
        Change { subscribe, unsubscribe: self.leaving.clone() }
    }

    /// The server has done all that it was asked.
    pub fn granted(&mut self) {
        self.held.iter_mut().for_each(|held| held.granted = true);
        self.leaving.clear();
    }

    /// The server has refused something: which subscriptions there are is not known.
    pub fn refused(&mut self) {
        self.held.iter_mut().for_each(|held| held.granted = false);
    }

    /// Whether there is another copy, which counts, of a message that came for these subscriptions.
    pub fn have_another(&self, ids: &[u32], topic: &str) -> bool {
        let Some(lowest) = ids.iter().min() else { return false };
        self.held.iter().any(|held| held.granted && held.id < *lowest && matches(&held.filter, topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::load::{Overrides, load_text};

    fn routes(own: &str) -> Routes {
        let stack = load_text("", None, &Overrides::default()).unwrap().stack;
        Routes::load_text(&format!("routes:\n{own}"), None, &stack).unwrap()
    }

    fn id(change: &Change, filter: &str) -> u32 {
        change.subscribe.iter().find(|wanted| wanted.filter == filter).unwrap().id.unwrap()
    }

    fn alert_of(device: &str) -> String {
        format!("  - {{name: {device}, filter: 'device/{device}/alert', topic: audit.access, key: vip}}\n")
    }

    #[test]
    fn what_no_route_takes_any_more_is_unsubscribed() {
        let mut held = Subscriptions::default();
        assert_eq!(held.change(&routes(&alert_of("vip-1")), None, false).unsubscribe, [""; 0]);
        held.granted();
        let change = held.change(&routes(&alert_of("vip-2")), None, false);
        assert_eq!(change.unsubscribe, ["device/vip-1/alert"]);
        // As it is not known to be done, whoever comes next does it: also after a restart.
        let mut held: Subscriptions = serde_json::from_str(&serde_json::to_string(&held).unwrap()).unwrap();
        let change = held.change(&routes(""), None, false);
        assert_eq!(change.unsubscribe, ["device/vip-1/alert", "device/vip-2/alert"]);
        assert_eq!(held.change(&routes(&alert_of("vip-1")), None, false).unsubscribe, ["device/vip-2/alert"]);
        held.granted();
        let change = held.change(&routes(&alert_of("vip-1")), Some("bridges"), false);
        assert!(change.unsubscribe.contains(&"panic/+/press".to_owned()), "{change:?}");
        assert!(
            change.subscribe.iter().all(|wanted| wanted.filter.starts_with("$share/bridges/") && wanted.id.is_none())
        );
    }

    #[test]
    fn of_copies_the_first_routes_counts() {
        let mut held = Subscriptions::default();
        let change = held.change(&routes(&alert_of("vip-1")), None, false);
        let (own, built_in) = (id(&change, "device/vip-1/alert"), id(&change, "device/+/alert"));
        assert!(own < built_in, "{change:?}");
        assert!(!held.have_another(&[built_in], "device/vip-1/alert"), "nothing is granted yet");
        held.granted();
        assert!(held.have_another(&[built_in], "device/vip-1/alert"));
        assert!(!held.have_another(&[built_in], "device/vip-2/alert"));
        assert!(!held.have_another(&[own], "device/vip-1/alert"));
        assert!(!held.have_another(&[built_in, own], "device/vip-1/alert"), "one copy for both");
        assert!(!held.have_another(&[], "device/vip-1/alert"), "a server that tells nothing");
    }

    /// At each moment of a change, at least one copy of a message counts; whichever they are by then.
    #[test]
    fn a_change_leaves_no_message_without_a_copy() {
        let mut held = Subscriptions::default();
        let before = id(&held.change(&routes(""), None, false), "device/+/alert");
        held.granted();
        let topic = "device/vip-1/alert";
        let change = held.change(&routes(&alert_of("vip-1")), None, false);
        let (own, built_in) = (id(&change, topic), id(&change, "device/+/alert"));
        assert!(before < own && own < built_in, "an identifier that is in use says nothing else");
        assert!(!held.have_another(&[before], topic), "sent before the change");
        held.granted();
        assert!(!held.have_another(&[before], topic), "and received after it");
        assert!(held.have_another(&[built_in], topic));
        let again = held.change(&routes(&alert_of("vip-1")), None, false);
        assert_eq!((id(&again, topic), id(&again, "device/+/alert")), (own, built_in), "nothing is to be changed");
        assert!(held.have_another(&[built_in], topic));
        // Taken away, it counts no more as soon as the server is told.
        held.change(&routes(""), None, false);
        assert!(!held.have_another(&[built_in], topic));
    }

    /// Another bridge of the same name must not get it.
    #[test]
    fn a_probe_is_shared_with_nobody() {
        let mut held = Subscriptions::default();
        let plain = Subscriptions::default().change(&routes("").with_probe(), None, true);
        assert_eq!(plain.subscribe[0].filter, PROBE_PRESS);
        let change = held.change(&routes("").with_probe(), Some("bridges"), true);
        let filters = |wanted: fn(&str) -> bool| change.subscribe.iter().filter(|one| wanted(&one.filter)).count();
        assert_eq!((filters(|filter| filter == PROBE_PRESS), filters(|filter| filter.starts_with("$share/"))), (1, 11));
        held.granted();
        assert_eq!(held.change(&routes("").with_probe(), Some("bridges"), false).unsubscribe, [PROBE_PRESS]);
    }

    #[test]
    fn what_was_refused_is_counted_on_by_nobody() {
        let mut held = Subscriptions::default();
        let change = held.change(&routes(&alert_of("vip-1")), None, false);
        held.granted();
        held.refused();
        let topic = "device/vip-1/alert";
        assert!(!held.have_another(&[id(&change, "device/+/alert")], topic));
        let again = held.change(&routes(&alert_of("vip-1")), None, false);
        held.granted();
        assert!(!held.have_another(&[id(&change, "device/+/alert")], topic), "sent while it was refused");
        assert!(held.have_another(&[id(&again, "device/+/alert")], topic));
    }
}
