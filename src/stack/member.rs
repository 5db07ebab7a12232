//! Whoever runs for a stack: its services, and its bridges `bridge-0` and `bridge-1`.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Service;

/// One of a stack's two bridges: a process of this machine, whichever runtime has the services. Which of the two is active
/// and which its standby is theirs to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bridge {
    /// 0 or 1.
    ordinal: u16,
}

impl Bridge {
    pub const ALL: [Self; 2] = [Self { ordinal: 0 }, Self { ordinal: 1 }];

    /// Counted from 0.
    pub fn ordinal(self) -> u16 {
        self.ordinal
    }

    /// Whether a word that a user typed means this one: `bridge-1`, `bridge`.
    pub fn matches(self, word: &str) -> bool {
        word == "bridge" || word == self.to_string()
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("bridge-{}", self.ordinal))
    }
}

impl Serialize for Bridge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A service or a bridge, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    Service(Service),
    Bridge(Bridge),
}

impl From<Service> for Member {
    fn from(service: Service) -> Self {
        Self::Service(service)
    }
}

impl From<Bridge> for Member {
    fn from(bridge: Bridge) -> Self {
        Self::Bridge(bridge)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => service.fmt(f),
            Self::Bridge(bridge) => bridge.fmt(f),
        }
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_called_by_its_name_or_its_kind() {
        let [first, second] = Bridge::ALL;
        assert_eq!(
            (first.to_string(), format!("{:<9}|", Member::from(second))),
            ("bridge-0".to_owned(), "bridge-1 |".to_owned())
        );
        assert!(first.matches("bridge") && first.matches("bridge-0") && !first.matches("bridge-1"));
    }
}
