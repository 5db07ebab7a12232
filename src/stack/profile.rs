//! What the stack is sized for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Heap;

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

    /// The heap of a ZooKeeper node that names none.
    pub fn zookeeper_heap(self) -> Heap {
        Heap { mebibytes: if self == Self::Full { 256 } else { 64 } }
    }

    /// The heap of a broker that names none.
    pub fn kafka_heap(self) -> Heap {
        Heap { mebibytes: if self == Self::Full { 1024 } else { 256 } }
    }
}
