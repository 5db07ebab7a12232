//! A device: an MQTT user that reaches its own leaves of the topic tree only.

use serde::{Deserialize, Serialize};

/// The backend's MQTT user, which reaches everything.
pub const SERVICE_USER: &str = "sos_service";
/// The MQTT user of the bridge to Kafka, which reads what devices write and nothing else. Not [`PEER_USER`].
pub const BRIDGE_USER: &str = "sos_bridge";
/// The readiness probe's MQTT user: a device without an owner, hidden from lists.
pub const PROBE_USER: &str = "sosstack-probe";
/// The MQTT topic of its press. Not a device's own: whoever listens for presses must not be alarmed by this one.
pub const PROBE_PRESS: &str = "sosstack/probe/press";
/// How long one is kept for a bridge that is away, in seconds: they must not fill the queue that real ones wait in.
pub const PROBE_PRESS_EXPIRY: u32 = 60;
/// The user as which a cluster's second Mosquitto logs in to the first. Mosquitto calls such a link a bridge, hence the name
/// that clusters have; with the bridge to Kafka it has nothing to do.
pub const PEER_USER: &str = "bridge";
/// Users that are not devices, and whose passwords are shown and rotated as devices' are.
pub const PROGRAMS: [&str; 2] = [SERVICE_USER, BRIDGE_USER];

/// A device and the user to whom it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Also its MQTT user name.
    pub id: String,
    /// The user id whose `emergency/{userId}/…` and `geofence/{userId}/…` it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Why a text cannot be a device id; None where it can.
pub fn id_problem(id: &str) -> Option<&'static str> {
    let reserved = [SERVICE_USER, BRIDGE_USER, PROBE_USER, PEER_USER, "exporter"];
    if reserved.contains(&id) || id.starts_with('$') { Some("it is reserved") } else { owner_problem(id) }
}

/// Why a text cannot be a user id: it is a level of a topic, and with a device id also a name in the password file
/// and in the access control list.
pub fn owner_problem(id: &str) -> Option<&'static str> {
    let forbidden = |c: char| "/+#:%".contains(c) || c.is_whitespace() || c.is_control();
    if id.is_empty() {
        Some("it is empty")
    } else if id.len() > 64 {
        Some("it is longer than 64 bytes")
    } else if id.contains(forbidden) {
        Some("it must not contain blanks, control characters, or any of / + # : %")
    } else {
        None
    }
}
