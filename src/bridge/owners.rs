//! To whom devices belong.

use std::collections::HashMap;
use std::sync::Arc;

/// Each device that belongs to somebody, with that user's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners(HashMap<String, Arc<str>>);

impl Owners {
    /// The user to whom a device belongs.
    pub fn of(&self, device: &str) -> Option<&Arc<str>> {
        self.0.get(device)
    }
}

/// Devices, each with its owner. The last one counts where a device comes twice.
impl<Id: Into<String>, User: AsRef<str>> FromIterator<(Id, Option<User>)> for Owners {
    fn from_iter<Devices: IntoIterator<Item = (Id, Option<User>)>>(devices: Devices) -> Self {
        let mut owners = HashMap::new();
        for (device, owner) in devices {
            match owner {
                Some(owner) => owners.insert(device.into(), Arc::from(owner.as_ref())),
                None => owners.remove(&device.into()),
            };
        }
        Self(owners)
    }
}
