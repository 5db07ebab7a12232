//! What a device publishes, where, and at which QoS.

use crate::stack::Device;
use crate::stack::leaf::{self, Under};

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
        self.of_platform().qos
    }

    /// The topic of one device, or of the user to whom it belongs.
    pub fn topic(self, device: &Device) -> String {
        let leaf = self.of_platform();
        let id = match leaf.under {
            Under::Device => &device.id,
            Under::Owner => device.owner.as_ref().unwrap_or(&device.id),
        };
        leaf.topic(id)
    }

    fn of_platform(self) -> leaf::Leaf {
        match self {
            Self::Telemetry => leaf::TELEMETRY,
            Self::Location => leaf::LOCATION,
            Self::Alert => leaf::ALERT,
            Self::Status => leaf::STATUS,
            Self::Heartrate => leaf::HEART_RATE,
            Self::Activity => leaf::ACTIVITY,
            Self::Fall => leaf::FALL,
            Self::Press => leaf::PRESS,
            Self::Battery => leaf::BATTERY,
            Self::Trigger => leaf::TRIGGER,
            Self::Enter => leaf::GEOFENCE_ENTER,
            Self::Exit => leaf::GEOFENCE_EXIT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Simulated;
    use crate::stack::leaf::{Direction, of_device};

    #[test]
    fn a_device_writes_to_each_topic_that_it_may() {
        use Leaf::*;
        let device = Simulated { seed: 7, devices: 1 }.device(0);
        let all = [Telemetry, Location, Alert, Status, Heartrate, Activity, Fall, Press, Battery, Trigger, Enter, Exit];
        assert_eq!(all.len(), LEAVES);
        assert!(all.iter().zip(0..).all(|(leaf, index)| *leaf as usize == index), "each has a counter of its own");
        let up = of_device(&device.id, device.owner.as_deref()).filter(|(leaf, _)| leaf.direction == Direction::Up);
        let mut may: Vec<String> = up.map(|(_, topic)| topic).collect();
        let mut topics = all.map(|leaf| leaf.topic(&device)).to_vec();
        may.sort();
        topics.sort();
        assert_eq!(topics, may, "all that it may, and nothing else");
    }
}
