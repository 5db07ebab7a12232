//! How much the journal may hold, and what it still takes as it fills.

use std::io;
use std::path::Path;

use crate::bridge::record::Lane;

/// The most that a journal takes by default.
const MOST: u64 = 8 << 30;

/// How much of the journal's limit is used, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Less than 80 %: everything is taken.
    Plenty,
    /// From 80 %: what came at QoS 0 is dropped and counted, unless it is urgent.
    Short,
    /// From 95 %: only presses, triggers and alerts are taken.
    Urgent,
    /// All of it: nothing more may be read from Mosquitto.
    None,
}

impl Room {
    /// Of `bytes` used and `limit` allowed.
    pub fn of(bytes: u64, limit: u64) -> Self {
        let of_limit = |percent: u128| u128::from(bytes) * 100 >= u128::from(limit) * percent;
        match () {
            () if of_limit(100) => Self::None,
            () if of_limit(95) => Self::Urgent,
            () if of_limit(80) => Self::Short,
            () => Self::Plenty,
        }
    }

    /// Whether a message may be appended. [`Room::None`] takes what was read before reading stopped, if it is urgent:
    /// it cannot be given back.
    pub fn takes(self, lane: Lane, qos: u8) -> bool {
        match (lane, self) {
            (Lane::Emergencies | Lane::Alerts, _) | (Lane::Rest, Self::Plenty) => true,
            (Lane::Rest, Self::Short) => qos > 0,
            (Lane::Rest, Self::Urgent | Self::None) => false,
        }
    }
}

/// 8 GiB, or a tenth of what is free on the directory's disk, whichever is smaller. The `bytes` that the journal has
/// already count as free: a limit that shrinks as the journal fills would be reached too early.
///
/// # Errors
/// When the file system does not say.
pub fn default_limit(directory: &Path, bytes: u64) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(MOST.min(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_add(bytes) / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_urgent_is_refused_step_by_step() {
        let rooms = [(0, Room::Plenty), (799, Room::Plenty), (800, Room::Short), (949, Room::Short)];
        let more = [(950, Room::Urgent), (999, Room::Urgent), (1000, Room::None), (u64::MAX, Room::None)];
        for (bytes, room) in rooms.into_iter().chain(more) {
            assert_eq!(Room::of(bytes, 1000), room, "{bytes}");
        }
        assert!(Room::Plenty.takes(Lane::Rest, 0));
        assert!(!Room::Short.takes(Lane::Rest, 0) && Room::Short.takes(Lane::Rest, 1));
        assert!(!Room::Urgent.takes(Lane::Rest, 2) && Room::Urgent.takes(Lane::Alerts, 0));
        assert_eq!(Room::of(0, 0), Room::None);
        assert!(Room::None.takes(Lane::Emergencies, 2));
    }

    #[test]
    fn the_default_is_eight_gibibytes_at_most() {
        let limit = default_limit(Path::new("/"), u64::MAX).unwrap();
        assert_eq!(limit, MOST);
    }
}
