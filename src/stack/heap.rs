//! A JVM heap size as users write it: `64M`, `1G`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A heap in whole MiB, 32 MiB to 31 GiB (beyond which the JVM gives up compressed pointers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Heap {
    pub mebibytes: u32,
}

impl FromStr for Heap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || format!("{text:?} is not a heap size: write 64M or 1G, from 32M to 31G");
        let (digits, unit) = match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1),
            None => (text.strip_suffix(['G', 'g']).ok_or_else(refuse)?, 1024),
        };
        let mebibytes = digits.parse::<u32>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(refuse)?;
        if (32..=31 * 1024).contains(&mebibytes) { Ok(Self { mebibytes }) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Heap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Heap> for String {
    fn from(heap: Heap) -> Self {
        heap.to_string()
    }
}

impl fmt::Display for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.mebibytes)
    }
}
