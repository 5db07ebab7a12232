//! A topic that was named and does not exist.

use crate::about::{About, Remedy};
use crate::failure::Failure;
use crate::similar::similar;

/// A topic that does not exist, and the one that was probably meant.
pub fn unknown_topic<'a>(about: &About, name: &str, existing: impl Iterator<Item = &'a str>) -> Failure {
    let visible = existing.filter(|topic| !topic.starts_with("__"));
    let hint = similar(name, visible).map(|topic| format!("did you mean {topic}? "));
    Failure::Failed {
        cause: format!("there is no topic {name:?}"),
        remedy: Remedy::words(format!("{}{} shows all", hint.unwrap_or_default(), about.command("topic list"))),
    }
}
