//! Values by jq, in a process of its own.
//!
//! An expression may run for ever, fill memory or end its stack, and nothing in this process could stop it: a helper process
//! is killed by the deadline, has a bound on memory, and takes nothing with it when it dies.

mod frame;
pub mod helper;
pub mod worker;

use serde::{Deserialize, Serialize};

use crate::filter::Query;

/// Longer ones are programs rather than expressions.
const LONGEST: usize = 16 * 1024;
/// Brackets within brackets, at most: the parser descends into each.
const DEEPEST: usize = 64;
/// What an expression knows beside the parts of the topic.
const VARIABLES: [&str; 3] = ["owner", "topic", "received_at"];

/// One expression as the helper is told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub text: String,
    /// With their `$`, in the order in which their values come.
    pub variables: Vec<String>,
}

impl Program {
    /// `parts` are the names of the filter's levels.
    pub fn new(text: &str, parts: &[String]) -> Self {
        let names = parts.iter().map(String::as_str).chain(VARIABLES);
        Self { text: text.to_owned(), variables: names.map(|name| format!("${name}")).collect() }
    }

    fn compile(&self) -> Result<Query, crate::filter::Wrong> {
        let variables: Vec<&str> = self.variables.iter().map(String::as_str).collect();
        Query::with_variables(&self.text, &variables)
    }
}

/// Whether an expression can be compiled.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check(text: &str, parts: &[String]) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if deepest(text) > DEEPEST {
        return Err(format!("its brackets are nested more than {DEEPEST} deep"));
    }
    Program::new(text, parts).compile().map(drop).map_err(|wrong| {
        let before = text.get(..wrong.offset.min(text.len())).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[start..].chars().count() + 1);
        let place = if text.trim_end().contains('\n') {
            format!("line {line}, character {column}")
        } else {
            format!("character {column}")
        };
        format!("{} (jq, {place})", wrong.problem)
    })
}

/// How deep brackets are nested, whatever kind they are; those in texts count, too.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_expression_is_pointed_at() {
        let parts = ["device".to_owned()];
        assert_eq!(check("{device: $device, owner: $owner, topic: $topic, at: $received_at, x: .x}", &parts), Ok(()));
        let words = |text: &str| check(text, &parts).unwrap_err();
        assert_eq!(words(". + $ownr"), "there is no variable $ownr (jq, character 5)");
        assert_eq!(words("{a: 1,\n  b: nonsense}"), "there is no filter nonsense (jq, line 2, character 6)");
        assert!(words(".a |").contains("missing at the end"));
        assert!(words(&"(".repeat(100_000)).contains("longer than"));
        assert!(words(&"[".repeat(65)).contains("64 deep"));
    }
}
