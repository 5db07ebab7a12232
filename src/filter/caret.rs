//! Points at the place in an expression that is wrong.

use crate::about::Remedy;
use crate::failure::Failure;

/// The failure of an option whose value does not hold together at byte `offset`.
pub(crate) fn point(option: &str, text: &str, offset: usize, problem: &str, remedy: &str) -> Failure {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    // Only the line of the problem, which is the whole expression nearly always.
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let column = before[start..].chars().count();
    Failure::Usage {
        cause: format!("{option}: {problem}\n  {line}\n  {}^", " ".repeat(column)),
        remedy: Remedy::words(remedy),
    }
}
