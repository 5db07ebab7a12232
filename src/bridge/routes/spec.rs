//! A routes file as it is written: everything optional, nothing unknown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Routes of the bridge. Whatever the file leaves out is as in the built-in routes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Routes of the bridge")]
pub(super) struct Spec {
    /// The Kafka topic for what cannot be mapped: `dlq.failed-messages`, unless the file says otherwise.
    pub(super) dead_letters: Option<String>,
    /// Changes of built-in routes, by their name, and routes of one's own, which are asked before all built-in ones.
    pub(super) routes: Option<Vec<RouteSpec>>,
}

/// What becomes of messages whose topic fits a filter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSpec {
    /// What it is called, in messages and metrics; a built-in route's name changes that one.
    pub(super) name: String,
    /// An MQTT topic filter; a level in braces has a name, as in `panic/{device}/press`.
    #[serde(default)]
    pub(super) filter: Option<String>,
    /// The Kafka topic that gets the messages.
    #[serde(default)]
    pub(super) topic: Option<String>,
    /// The record's key, with names in braces; else the device, the user, or of emergencies `{emergency}`.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// More headers, each text with names in braces.
    #[serde(default)]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// A jq expression that makes the value from the payload; without one, it is the payload as it came.
    #[serde(default)]
    pub(super) value: Option<String>,
    /// 0, 1 or 2: at which QoS the bridge subscribes.
    #[serde(default)]
    pub(super) qos: Option<u8>,
    /// What must not wait for what.
    #[serde(default)]
    pub(super) lane: Option<LaneSpec>,
    /// Whether messages become emergencies: always, whatever stands in them.
    #[serde(default)]
    pub(super) emergency: Option<bool>,
    /// Whether the server's retained copies are taken, too.
    #[serde(default)]
    pub(super) retained: Option<bool>,
    /// Whether there is such a route at all: false takes a built-in one away.
    #[serde(default)]
    pub(super) enabled: Option<bool>,
}

/// What must not wait for what: a lane that stands still holds no other one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LaneSpec {
    Emergencies,
    Alerts,
    Rest,
}

impl RouteSpec {
    /// This route over a lower one of the same name.
    pub(super) fn over(&self, lower: &Self) -> Self {
        Self {
            name: self.name.clone(),
            filter: self.filter.clone().or_else(|| lower.filter.clone()),
            topic: self.topic.clone().or_else(|| lower.topic.clone()),
            key: self.key.clone().or_else(|| lower.key.clone()),
            headers: self.headers.clone().or_else(|| lower.headers.clone()),
            value: self.value.clone().or_else(|| lower.value.clone()),
            qos: self.qos.or(lower.qos),
            lane: self.lane.or(lower.lane),
            emergency: self.emergency.or(lower.emergency),
            retained: self.retained.or(lower.retained),
            enabled: self.enabled.or(lower.enabled),
        }
    }
}
