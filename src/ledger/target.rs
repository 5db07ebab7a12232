//! Where a message to MQTT belongs in Kafka, by the platform's own table: not read from anybody's routes.

const ALERTS: &str = "device.alerts";
const TELEMETRY: &str = "device.telemetry";
const EMERGENCIES: &str = "emergency.created";

/// The Kafka topic of an MQTT topic; None where none is meant.
pub(super) fn kafka_topic(mqtt: &str) -> Option<&'static str> {
    let mut levels = mqtt.split('/');
    let (first, _, last, None) = (levels.next()?, levels.next()?, levels.next()?, levels.next()) else {
        return None;
    };
    match (first, last) {
        ("device", "alert") | ("wearable", "fall") => Some(ALERTS),
        ("device", "telemetry" | "status") | ("wearable", "heartrate" | "activity") | ("panic", "battery") => {
            Some(TELEMETRY)
        }
        ("device", "location") => Some("location.realtime"),
        ("geofence", "enter" | "exit") => Some("location.geofence"),
        ("panic", "press") | ("emergency", "trigger") => Some(EMERGENCIES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_that_goes_up_belongs_somewhere() {
        for (mqtt, kafka) in [
            ("device/d/alert", Some(ALERTS)),
            ("wearable/d/fall", Some(ALERTS)),
            ("device/d/status", Some(TELEMETRY)),
            ("panic/d/battery", Some(TELEMETRY)),
            ("geofence/u/exit", Some("location.geofence")),
            ("panic/d/press", Some(EMERGENCIES)),
            ("emergency/u/trigger", Some(EMERGENCIES)),
            ("device/d/command", None),
            ("emergency/u/status", None),
            ("panic/d/press/more", None),
            ("panic", None),
        ] {
            assert_eq!(kafka_topic(mqtt), kafka, "{mqtt}");
        }
    }
}
