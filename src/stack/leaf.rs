//! The MQTT topics of the platform: whose they are, who publishes them and at which QoS.
//!
//! Devices are granted these topics and no others; what routes, simulates or shows device topics reads the same table.

/// One topic below each device's id or below each user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Three levels, the second one named: `device/{device}/telemetry`, `emergency/{user}/trigger`.
    pub shape: &'static str,
    pub under: Under,
    pub direction: Direction,
    /// 0, 1 or 2: what its publishers use. The server takes all three on every topic.
    pub qos: u8,
}

/// Whose id is a topic's second level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// The device's own, which is also its MQTT user name.
    Device,
    /// That of the user who owns the device: open to all devices of this user.
    Owner,
}

/// Which way messages go. Never both: a device could forge its own commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A device writes, the backend reads.
    Up,
    /// The backend writes, a device reads.
    Down,
}

pub const TELEMETRY: Leaf = device("device/{device}/telemetry", Direction::Up, 0);
pub const LOCATION: Leaf = device("device/{device}/location", Direction::Up, 0);
pub const ALERT: Leaf = device("device/{device}/alert", Direction::Up, 2);
pub const STATUS: Leaf = device("device/{device}/status", Direction::Up, 1);
pub const COMMAND: Leaf = device("device/{device}/command", Direction::Down, 1);
pub const CONFIG: Leaf = device("device/{device}/config", Direction::Down, 1);
pub const HEART_RATE: Leaf = device("wearable/{device}/heartrate", Direction::Up, 0);
pub const ACTIVITY: Leaf = device("wearable/{device}/activity", Direction::Up, 0);
pub const FALL: Leaf = device("wearable/{device}/fall", Direction::Up, 2);
pub const PRESS: Leaf = device("panic/{device}/press", Direction::Up, 2);
pub const BATTERY: Leaf = device("panic/{device}/battery", Direction::Up, 0);
pub const TRIGGER: Leaf = owner("emergency/{user}/trigger", Direction::Up, 2);
pub const EMERGENCY_STATUS: Leaf = owner("emergency/{user}/status", Direction::Down, 1);
pub const GEOFENCE_ENTER: Leaf = owner("geofence/{user}/enter", Direction::Up, 1);
pub const GEOFENCE_EXIT: Leaf = owner("geofence/{user}/exit", Direction::Up, 1);

/// All of them, in the order in which they are granted and shown.
pub const LEAVES: [Leaf; 15] = [
    TELEMETRY,
    LOCATION,
    ALERT,
    STATUS,
    COMMAND,
    CONFIG,
    HEART_RATE,
    ACTIVITY,
    FALL,
    PRESS,
    BATTERY,
    TRIGGER,
    EMERGENCY_STATUS,
    GEOFENCE_ENTER,
    GEOFENCE_EXIT,
];

/// The filters for all topics that go one way: what the bridge may read, and what no route may lead up again.
pub fn filters(direction: Direction) -> impl Iterator<Item = String> {
    LEAVES.into_iter().filter(move |leaf| leaf.direction == direction).map(Leaf::filter)
}

/// The topics of one subject: below every device's own id, or below its owner's.
pub fn under(subject: Under) -> impl Iterator<Item = Leaf> {
    LEAVES.into_iter().filter(move |leaf| leaf.under == subject)
}

/// Everything that one device reaches, with its topic; what is its owner's only where it has one.
pub fn of_device<'a>(id: &'a str, owner: Option<&'a str>) -> impl Iterator<Item = (Leaf, String)> {
    let subject = move |leaf: &Leaf| match leaf.under {
        Under::Device => Some(id),
        Under::Owner => owner,
    };
    LEAVES.into_iter().filter_map(move |leaf| Some((leaf, leaf.topic(subject(&leaf)?))))
}

/// The leaf that a topic belongs to, and the id of its device or user. None for any other topic.
pub fn of_topic(topic: &str) -> Option<(Leaf, &str)> {
    LEAVES.into_iter().find_map(|leaf| Some((leaf, leaf.id_in(topic)?)))
}

impl Leaf {
    /// The topic of one device or user.
    pub fn topic(self, id: &str) -> String {
        self.shape.replace(self.under.placeholder(), id)
    }

    /// The filter for the topics of all devices or users: `device/+/telemetry`.
    pub fn filter(self) -> String {
        self.topic("+")
    }

    /// The id in a topic of this shape. None where it has another shape.
    pub fn id_in(self, topic: &str) -> Option<&str> {
        let (before, after) = self.shape.split_once(self.under.placeholder())?;
        let id = topic.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }
}

impl Under {
    /// What stands in a shape for the id.
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Device => "{device}",
            Self::Owner => "{user}",
        }
    }
}

const fn device(shape: &'static str, direction: Direction, qos: u8) -> Leaf {
    Leaf { shape, under: Under::Device, direction, qos }
}

const fn owner(shape: &'static str, direction: Direction, qos: u8) -> Leaf {
    Leaf { shape, under: Under::Owner, direction, qos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_three_levels_with_one_id() {
        for leaf in LEAVES {
            let levels: Vec<&str> = leaf.shape.split('/').collect();
            assert!(levels.len() == 3 && levels[1] == leaf.under.placeholder() && leaf.qos <= 2, "{leaf:?}");
            assert_eq!(LEAVES.iter().filter(|other| other.shape == leaf.shape).count(), 1, "{leaf:?}");
            assert_eq!(of_topic(&leaf.topic("x-1")), Some((leaf, "x-1")));
        }
    }

    #[test]
    fn a_device_without_owner_reaches_what_is_its_own() {
        let topics = |owner| of_device("d", owner).map(|(_, topic)| topic).collect::<Vec<_>>();
        assert_eq!((topics(None).len(), topics(Some("u")).len()), (11, 15));
        assert!(topics(None).iter().all(|topic| topic.contains("/d/")));
        assert_eq!(topics(Some("u"))[11], "emergency/u/trigger");
    }

    #[test]
    fn a_topic_is_told_from_its_neighbours() {
        assert_eq!(PRESS.topic("panic-0001"), "panic/panic-0001/press");
        assert_eq!(TRIGGER.filter(), "emergency/+/trigger");
        assert_eq!(of_topic("device/a/status"), Some((STATUS, "a")));
        assert_eq!(of_topic("emergency/u/status"), Some((EMERGENCY_STATUS, "u")));
        for other in ["device/a/b/status", "device//status", "device/status", "device/a/status/", "wearable/a/status"] {
            assert_eq!(of_topic(other), None, "{other}");
        }
    }
}
