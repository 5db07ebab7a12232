//! What the stack is sized for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Heap;
use super::place::Place;

/// How much the services may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Small heaps, and code that starts fast.
    #[default]
    Laptop,
    /// Large heaps, and code that runs fast once it is warm.
    Full,
}

impl Profile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Laptop => "laptop",
            Self::Full => "full",
        }
    }

    /// The heap of a ZooKeeper node that names none. In a cluster, applications keep their locks there too.
    pub fn zookeeper_heap(self, place: Place) -> Heap {
        let mebibytes = match (self, place) {
            (Self::Laptop, _) => 64,
            (Self::Full, Place::Laptop) => 256,
            (Self::Full, Place::Cluster) => 512,
        };
        Heap { mebibytes }
    }

    /// The heap of a broker that names none.
    pub fn kafka_heap(self) -> Heap {
        Heap { mebibytes: if self == Self::Full { 1024 } else { 256 } }
    }
}
