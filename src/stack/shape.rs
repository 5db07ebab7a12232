//! From YAML to what a file says, with every problem of shape at once and in words.

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use crate::similar::similar;

/// Something wrong with an entry of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `topics[0].partitions`; empty for the file as a whole.
    pub(crate) path: String,
    pub(crate) words: String,
}

/// Reads what can be read; what cannot is left out and named.
///
/// serde stops at the first problem. So the entry that it names is taken out and the rest read
/// again, until nothing is wrong any more: all problems, by serde's own checks.
pub(crate) fn read<T: DeserializeOwned + Default>(mut value: Value) -> (T, Vec<Problem>) {
    let mut problems = Vec::new();
    loop {
        match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(spec) => return (spec, problems),
            Err(error) => {
                let steps = steps(error.path());
                let words = error.inner().to_string();
                problems.push(problem(&steps, &words));
                if !remove(&mut value, &steps) {
                    return (T::default(), problems);
                }
            }
        }
    }
}

/// One step from an entry to an inner one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
            serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
            // Neither an enum's variant nor what serde could not follow is an entry.
            _ => None,
        })
        .collect()
}

fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
        }
    }
    text
}

/// Takes out the entry; whether there was one.
fn remove(value: &mut Value, steps: &[Step]) -> bool {
    let Some((last, before)) = steps.split_last() else { return false };
    let holder = before.iter().try_fold(value, |inner, step| match step {
        Step::Key(key) => inner.get_mut(key.as_str()),
        Step::Index(index) => inner.get_mut(*index),
    });
    match (holder, last) {
        (Some(Value::Mapping(mapping)), Step::Key(key)) => mapping.remove(key.as_str()).is_some(),
        (Some(Value::Sequence(items)), Step::Index(index)) if *index < items.len() => {
            // Other items keep their numbers: an item that is there no more would shift them.
            let hole = std::mem::replace(&mut items[*index], Value::Null);
            let filled = placeholder(&before[before.len() - 1..]);
            items[*index] = filled;
            hole != items[*index]
        }
        _ => false,
    }
}

/// An item that is fine by shape and is left out afterwards: its name is empty.
fn placeholder(list: &[Step]) -> Value {
    let key = if list == [Step::Key("devices".to_owned())] { "id" } else { "name" };
    Value::Mapping([(Value::from(key), Value::from(""))].into_iter().collect())
}

fn problem(steps: &[Step], words: &str) -> Problem {
    let path = text(steps);
    // "topics[0]: words at line 3 column 5": the place is found by the path.
    let words = words.split(" at line ").next().unwrap_or(words);
    if let Some(field) = between(words, "unknown field `", "`") {
        let known = quoted(words.split_once(", expected").map_or("", |(_, list)| list));
        let meant = similar(field, known.iter().copied());
        let hint = match meant {
            Some(meant) => format!("did you mean {meant:?}?"),
            None if known.is_empty() => "no fields are known here".to_owned(),
            None => format!("known fields are {}", known.join(", ")),
        };
        return Problem { path, words: format!("unknown field; {hint}") };
    }
    if let Some(variant) = between(words, "unknown variant `", "`") {
        let known = quoted(words.split_once(", expected").map_or("", |(_, list)| list));
        return Problem { path, words: format!("{variant:?} is not a valid value; write {}", known.join(" or ")) };
    }
    if let Some(field) = between(words, "missing field `", "`") {
        return Problem { path, words: format!("{field:?} is missing") };
    }
    if words.contains("untagged enum Scalar") {
        return Problem { path, words: "expected text, a number, or true or false".to_owned() };
    }
    let invalid = words.strip_prefix("invalid type: ").or_else(|| words.strip_prefix("invalid value: "));
    if let Some((found, expected)) = invalid.and_then(|rest| rest.split_once(", expected ")) {
        return Problem { path, words: format!("expected {}, found {}", thing(expected), thing_found(found)) };
    }
    Problem { path, words: words.to_owned() }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}

/// All names in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// What serde expected, in words.
fn thing(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "names with values",
        other if other.starts_with("struct ") => "names with values",
        other => other,
    }
}

/// What serde found: `integer 7`, `string "x"`, `sequence`, `unit value`.
fn thing_found(found: &str) -> String {
    let kinds = ["string ", "integer ", "floating point ", "boolean "];
    match found {
        "unit value" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "names with values".to_owned(),
        found => {
            let value = kinds.iter().find_map(|kind| found.strip_prefix(kind)).unwrap_or(found);
            value.trim_matches('`').to_owned()
        }
    }
}
