//! What devices say, as JSON.

use serde::Serialize;

/// A message of a device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    pub(super) device_id: &'a str,
    #[serde(flatten)]
    pub(super) body: Body<'a>,
    /// None of a will, which the server keeps until it is needed.
    #[serde(flatten)]
    pub(super) stamp: Option<Stamp<'a>>,
}

/// The press of a panic button, as JSON; `timestamp` counts since 1970, in seconds or milliseconds.
pub fn press(device: &str, event_id: &str, timestamp: i64) -> String {
    let at = Position { latitude: 52.52, longitude: 13.405 };
    let stamp = Some(Stamp { timestamp, sequence: 1, event_id });
    Payload { device_id: device, body: Body::Press { r#type: "ASSAULT", at }, stamp }.to_json()
}

/// What tells messages of a device apart.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stamp<'a> {
    /// In seconds since 1970.
    pub(super) timestamp: i64,
    pub(super) sequence: u64,
    pub(super) event_id: &'a str,
}

/// What is said, by its kind.
#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Body<'a> {
    Telemetry {
        heart_rate: i64,
        battery: i64,
    },
    Location {
        accuracy: u32,
        speed: f64,
        #[serde(flatten)]
        at: Position,
    },
    HeartRate {
        heart_rate: i64,
    },
    Activity {
        activity: &'static str,
        steps: i64,
    },
    Battery {
        battery: i64,
    },
    Status {
        status: &'a str,
    },
    Alert {
        r#type: &'static str,
        battery: i64,
    },
    Fall {
        r#type: &'static str,
        severity: u32,
        #[serde(flatten)]
        at: Position,
    },
    Press {
        r#type: &'static str,
        #[serde(flatten)]
        at: Position,
    },
    Trigger {
        user_id: Option<String>,
        r#type: &'static str,
        #[serde(flatten)]
        at: Position,
    },
    Geofence {
        user_id: Option<String>,
        zone: &'static str,
        #[serde(flatten)]
        at: Position,
    },
}

/// In degrees.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Position {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

impl Payload<'_> {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names are strings, and numbers finite")
    }
}
