//! How long containers may take to end, as Docker counts it.

use std::time::Duration;

/// In whole seconds, rounded up.
pub(super) fn whole_seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}
