//! A device: an MQTT user that reaches its own leaves of the topic tree only.

use serde::{Deserialize, Serialize};

/// The backend's MQTT user, which reaches everything.
pub const SERVICE_USER: &str = "sos_service";
/// The readiness probe's MQTT user: a device without an owner, hidden from lists.
pub const PROBE_USER: &str = "sosstack-probe";

/// A device and the user to whom it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Device {
    /// Also its MQTT user name.
    pub id: String,
    /// The user id whose `emergency/{userId}/…` and `geofence/{userId}/…` it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}
