//! Which dead letter: its partition and its offset there.

use std::fmt;
use std::str::FromStr;

/// Where a dead letter is in its topic, which people use as its id: `2:15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = || {
            let (partition, offset) = text.split_once(':')?;
            let id = Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
            (id.partition >= 0 && id.offset >= 0).then_some(id)
        };
        numbers().ok_or_else(|| "write PARTITION:OFFSET, such as 2:15".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_partition_and_an_offset() {
        let id = LetterId { partition: 2, offset: 15 };
        assert_eq!(("2:15".parse(), id.to_string().as_str()), (Ok(id), "2:15"));
        for wrong in ["", "2", ":", "2:", ":15", "-1:0", "0:-1", "a:b", "1:2:3", "2:99999999999999999999"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
