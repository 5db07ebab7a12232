//! Devices that are enrolled for a while only, to be simulated.

use serde::{Deserialize, Serialize};

use super::Device;

/// So many devices carry one user's id: a user may wear one and carry another.
const OF_ONE_USER: u32 = 2;

/// A fleet that exists while it is simulated. Its ids say of which seed it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulated {
    pub seed: u64,
    pub devices: u32,
}

impl Simulated {
    /// The n-th device, counted from 0.
    pub fn device(&self, number: u32) -> Device {
        let Self { seed, .. } = self;
        let owner = format!("sim-user-{seed}-{:05}", number / OF_ONE_USER);
        Device { id: format!("sim-{seed}-{number:05}"), owner: Some(owner) }
    }

    /// All of them, in order.
    pub fn devices(&self) -> impl Iterator<Item = Device> {
        (0..self.devices).map(|number| self.device(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::device::{id_problem, owner_problem};

    #[test]
    fn ids_are_valid_and_differ_by_seed() {
        let largest = Simulated { seed: u64::MAX, devices: u32::MAX };
        let device = largest.device(u32::MAX - 1);
        assert_eq!((id_problem(&device.id), owner_problem(device.owner.as_deref().unwrap())), (None, None));
        let ids = |seed| Simulated { seed, devices: 3 }.devices().map(|device| device.id).collect::<Vec<_>>();
        assert_eq!(ids(7), ["sim-7-00000", "sim-7-00001", "sim-7-00002"]);
        assert_ne!(ids(7), ids(8));
    }
}
