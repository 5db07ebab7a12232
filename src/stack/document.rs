//! A YAML file of the user's: its text, what it says, and where what is wrong stands in it.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::positions::{Position, Positions};
use super::shape::{self, Problem};
use super::variables::fill_in;
use crate::about::Remedy;
use crate::failure::Failure;

/// What Windows' editors begin a file with.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';
/// How entries begin that are the user's own, for others to be merged with, as in Compose files.
const EXTENSION: &str = "x-";

/// A kind of file, as messages speak of it.
pub(crate) struct Document {
    /// Such as "stack file".
    pub(crate) kind: &'static str,
    /// What to do where it does not exist.
    pub(crate) without: &'static str,
    /// How one begins, such as `name: sos`.
    pub(crate) example: &'static str,
    /// Whether `$NAME` is a variable of the environment.
    pub(crate) has_variables: bool,
}

/// Why a text is not a document, and where.
pub(crate) type Syntax = (Option<Position>, String);

impl Document {
    /// The file's text.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be read or is not UTF-8.
    pub(crate) fn read(&self, file: &Path) -> Result<String, Failure> {
        let refuse = |words: &str, remedy: &str| Failure::Usage {
            cause: format!("{}: {words}", file.display()),
            remedy: Remedy::words(remedy),
        };
        if file.is_dir() {
            return Err(refuse("is a directory", &format!("name the {} in it", self.kind)));
        }
        let bytes = fs::read(file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse("there is no such file", self.without),
            _ => refuse(&error.to_string(), "make it readable by you"),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8", "save it as UTF-8 text"))?;
        Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
    }

    /// What the text says and problems of its shape, or the one problem that keeps it from being read.
    pub(crate) fn parse<T>(&self, text: &str, positions: &Positions) -> Result<(T, Vec<Problem>), Syntax>
    where
        T: DeserializeOwned + Default,
    {
        if positions.documents > 1 {
            return Err((None, format!("holds several YAML documents; a {} is one", self.kind)));
        }
        if let Some((path, at)) = positions.duplicates.first() {
            return Err((Some(*at), format!("{path} appears twice")));
        }
        let mut value: Value = serde_yaml::from_str(text).map_err(|error| syntax(&error, text))?;
        value.apply_merge().map_err(|error| syntax(&error, text))?;
        match value {
            Value::Null => Ok((T::default(), Vec::new())),
            Value::Mapping(ref mut entries) => {
                entries.retain(|key, _| !key.as_str().is_some_and(|key| key.starts_with(EXTENSION)));
                let look_up = |name: &str| std::env::var(name).ok();
                let unset = if self.has_variables { fill_in(&mut value, positions, &look_up) } else { Vec::new() };
                let (document, mut problems) = shape::read(value);
                problems.retain(|problem| !is_within(&unset, &problem.path));
                Ok((document, [unset, problems].concat()))
            }
            _ => {
                let words = format!("expected names with values, such as {:?}", self.example);
                Err((Some(Position { line: 1, column: 1 }), words))
            }
        }
    }
}

/// Why a text is not YAML, and where.
fn syntax(error: &serde_yaml::Error, text: &str) -> Syntax {
    let position = error.location().map(|at| Position { line: at.line(), column: at.column() });
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words);
    let shown = position.and_then(|at| text.lines().nth(at.line - 1)).map(str::trim).filter(|line| !line.is_empty());
    (position, shown.map_or_else(|| format!("not YAML: {words}"), |line| format!("not YAML: {words}, in: {line}")))
}

/// Whether an entry, or one around it, was named as a problem already.
pub(crate) fn is_within(problems: &[Problem], path: &str) -> bool {
    problems.iter().any(|problem| {
        let rest = path.strip_prefix(problem.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// `file:line:column: path: words`
pub(crate) fn problem_line(file: &str, at: Option<Position>, path: &str, words: &str) -> String {
    let place = at.map_or_else(|| file.to_owned(), |at| format!("{file}:{}:{}", at.line, at.column));
    if path.is_empty() { format!("{place}: {words}") } else { format!("{place}: {path}: {words}") }
}
