//! What the official images bring: their users, and where things lie in them. An image that a stack file names has to be
//! like them.

use super::Role;

/// Where our own files lie in a container. None of the images has it.
pub const OWN_CONFIG: &str = "/etc/sosstack";
/// Where a pod of Mosquitto puts together what it makes of Secrets.
pub const OWN_RUN: &str = "/run/sosstack";

/// Where ZooKeeper's scripts look for the configuration.
pub const ZOOKEEPER_CONFIG: &str = "/conf";
/// Snapshots, and the node's number.
pub const ZOOKEEPER_DATA: &str = "/data";
/// The log of transactions.
pub const ZOOKEEPER_LOG: &str = "/datalog";

/// Kafka's programs and jars.
pub const KAFKA_HOME: &str = "/opt/kafka";
pub const KAFKA_DATA: &str = "/var/lib/kafka/data";
/// Of the data: not all of it, as the root of a file system may hold `lost+found`, which Kafka refuses.
pub const KAFKA_LOGS: &str = "kafka-logs";

pub const MOSQUITTO_CONFIG: &str = "/mosquitto/config";
pub const MOSQUITTO_DATA: &str = "/mosquitto/data";

/// The user of sosstack's own image, and the group of the same number.
pub const BRIDGE_USER: u32 = 65532;
/// All that a bridge writes, in sosstack's own image.
pub const BRIDGE_DATA: &str = "/var/lib/sosstack";

/// The user, and the group of the same number, that a system's image is made for: `zookeeper`, `appuser`, `mosquitto`.
pub const fn user(role: Role) -> u32 {
    match role {
        Role::Zookeeper | Role::Kafka => 1000,
        Role::Mosquitto => 1883,
    }
}

/// Directories that an image declares as volumes and that hold no data: each would become an anonymous volume.
pub const fn scratch(role: Role) -> &'static [&'static str] {
    match role {
        Role::Zookeeper => &["/logs"],
        Role::Kafka => &["/etc/kafka/secrets", "/mnt/shared/config"],
        Role::Mosquitto => &["/mosquitto/log"],
    }
}
