//! What a device publishes, where, and at which QoS.

use crate::stack::Device;

/// The last part of a topic that a device writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    Telemetry,
    Location,
    Alert,
    Status,
    Heartrate,
    Activity,
    Fall,
    Press,
    Battery,
    Trigger,
    Enter,
    Exit,
}

/// How many there are.
pub const LEAVES: usize = 12;

impl Leaf {
    /// The QoS at which it is published.
    pub fn qos(self) -> u8 {
        match self {
            Self::Telemetry | Self::Location | Self::Heartrate | Self::Activity | Self::Battery => 0,
            Self::Status | Self::Enter | Self::Exit => 1,
            Self::Alert | Self::Fall | Self::Press | Self::Trigger => 2,
        }
    }

    /// The topic of one device, or of the user to whom it belongs.
    pub fn topic(self, device: &Device) -> String {
        let id = &device.id;
        let owner = device.owner.as_deref().unwrap_or(id);
        match self {
            Self::Telemetry => format!("device/{id}/telemetry"),
            Self::Location => format!("device/{id}/location"),
            Self::Alert => format!("device/{id}/alert"),
            Self::Status => format!("device/{id}/status"),
            Self::Heartrate => format!("wearable/{id}/heartrate"),
            Self::Activity => format!("wearable/{id}/activity"),
            Self::Fall => format!("wearable/{id}/fall"),
            Self::Press => format!("panic/{id}/press"),
            Self::Battery => format!("panic/{id}/battery"),
            Self::Trigger => format!("emergency/{owner}/trigger"),
            Self::Enter => format!("geofence/{owner}/enter"),
            Self::Exit => format!("geofence/{owner}/exit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mosquitto::reach;
    use crate::stack::Simulated;

    #[test]
    fn a_device_may_write_to_each_of_its_topics() {
        use Leaf::*;
        let device = Simulated { seed: 7, devices: 1 }.device(0);
        let (mut writes, _) = reach(&device.id, device.owner.as_deref());
        let all = [Telemetry, Location, Alert, Status, Heartrate, Activity, Fall, Press, Battery, Trigger, Enter, Exit];
        assert_eq!(all.len(), LEAVES);
        assert!(all.iter().zip(0..).all(|(leaf, index)| *leaf as usize == index), "each has a counter of its own");
        let mut topics = all.map(|leaf| leaf.topic(&device)).to_vec();
        writes.sort();
        topics.sort();
        assert_eq!(topics, writes, "all that it may, and nothing else");
    }
}
