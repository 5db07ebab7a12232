//! The MQTT server, and what depends on its version.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::version;

/// The first line of Mosquitto that can keep its messages in SQLite.
pub const SQLITE_SINCE: [u32; 2] = [2, 1];

/// Where the official images have the plugin, from [`SQLITE_SINCE`] on. Packages have it elsewhere.
pub const SQLITE_PLUGIN: &str = "/usr/lib/mosquitto_persist_sqlite.so";

/// Seconds by which the server's limit exceeds the keep alive that clients are promised. 2.0.21 files each client under the
/// second in which it will have been silent for too long, on a ring as long as the limit. When the server has stood still for
/// a while, a client whose keep alive is close to the limit is filed under a second that was not looked at yet, and thrown out:
/// at the limit itself after one second, with these 10 s to spare after 16. 2.0.22 mends it.
const SPARE_KEEP_ALIVE: u16 = 10;

/// The MQTT server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mosquitto {
    pub version: String,
    pub image: String,
    /// For each listener.
    pub max_connections: u32,
    /// Messages held for one client beyond those in flight.
    pub max_queued_messages: u32,
    pub max_inflight_messages: u16,
    /// Seconds: the longest keep alive that clients are promised. 0: any, none at all too.
    pub max_keepalive: u16,
    /// None: what the server's version has, see [`Self::persistence_of`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// The plugin's file as the server sees it; None: where images and packages have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite_plugin: Option<PathBuf>,
}

/// How sessions, retained and queued messages are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// One file, written whole once a second.
    File,
    /// A database, written before anything is acknowledged; Mosquitto 2.1 or later.
    Sqlite,
}

impl Persistence {
    /// As the stack file has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Sqlite => "sqlite",
        }
    }
}

impl Mosquitto {
    /// The longest keep alive that the server itself grants, in seconds. None: any.
    pub fn keep_alive_limit(&self) -> Option<u16> {
        (self.max_keepalive > 0).then(|| self.max_keepalive.saturating_add(SPARE_KEEP_ALIVE))
    }

    /// The official image of a version: from 2.1 on, they are named after their system.
    pub fn official_image(version: &str) -> String {
        let suffix = if has_sqlite(version) { "-alpine" } else { "" };
        format!("eclipse-mosquitto:{version}{suffix}")
    }

    /// What a server of this version keeps its messages in: as asked for, else the best that it has.
    pub fn persistence_of(&self, version: &str) -> Persistence {
        let best = if has_sqlite(version) { Persistence::Sqlite } else { Persistence::File };
        self.persistence.unwrap_or(best)
    }
}

/// Whether a Mosquitto of this version can keep its messages in SQLite.
pub fn has_sqlite(version: &str) -> bool {
    version::is_at_least(version, SQLITE_SINCE)
}
