//! From objects of the API to YAML.

use serde::Serialize;
use serde_yaml::Value;

use crate::workload::short_digest;

pub(super) fn object(object: &impl Serialize) -> Value {
    serde_yaml::to_value(object).expect("an object of the API is plain data")
}

pub(super) fn yaml(value: &impl Serialize) -> String {
    serde_yaml::to_string(value).expect("an object of the API is plain data")
}

/// Identifies what pods read only at their start: another digest replaces them.
pub(super) fn checksum(value: &impl Serialize) -> String {
    short_digest(yaml(value).as_bytes())
}
