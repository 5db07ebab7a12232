//! The topics as the scripts of both exports read them.

use std::fmt::Write;

use crate::stack::{Stack, Topic};

/// `name partitions setting=value …`, a topic a line.
pub(super) fn list(stack: &Stack) -> String {
    let mut text = String::new();
    for Topic { name, partitions, config, .. } in &stack.topics {
        write!(text, "{name} {partitions}").expect("writing to a string succeeds");
        for (key, value) in config {
            write!(text, " {key}={value}").expect("as above");
        }
        text.push('\n');
    }
    text
}
