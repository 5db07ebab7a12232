//! From a routes file to routes, or to everything that is wrong with it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_yaml::Value;

use super::Routes;
use super::merge::merge;
use super::spec::Spec;
use super::validate;
use crate::about::Remedy;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::stack::load::{Syntax, is_within, problem_line, syntax};
use crate::stack::positions::{Position, Positions};
use crate::stack::shape::{self, Problem};

const SEED: &str = include_str!("../../../seed-data/routes.yaml");

/// The built-in routes as they are written.
pub fn built_in() -> &'static str {
    SEED
}

impl Routes {
    /// The built-in routes with the user's file over them.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the file cannot be read, [`Failure::InvalidRoutes`] with every problem.
    pub fn load(file: Option<&Path>, stack: &Stack) -> Result<Self> {
        Self::load_text(&file.map(read).transpose()?.unwrap_or_default(), file, stack)
    }

    /// As [`Routes::load`], from the file's text; `file` is what it is called in problems.
    ///
    /// # Errors
    /// [`Failure::InvalidRoutes`] with every problem.
    pub fn load_text(text: &str, file: Option<&Path>, stack: &Stack) -> Result<Self> {
        let shown = file.map_or_else(|| "routes".to_owned(), |file| file.display().to_string());
        let positions = Positions::of(text);
        let (user, mut problems) = parse(text, &positions)
            .map_err(|(at, words)| Failure::InvalidRoutes { problems: vec![problem_line(&shown, at, "", &words)] })?;
        // Placeholders of entries that were named as problems already.
        let broken = problems.clone();
        let (routes, found) = validate::build(&merge(built_in_spec(), &user), &user, stack);
        problems.extend(found.into_iter().filter(|problem| !is_within(&broken, &problem.path)));
        if problems.is_empty() {
            return Ok(routes);
        }
        Err(Failure::InvalidRoutes { problems: located(problems, &positions, &shown) }.into())
    }

    /// The JSON Schema of a routes file, draft 2020-12.
    pub fn json_schema() -> String {
        serde_json::to_string_pretty(&schemars::schema_for!(Spec)).expect("a schema is JSON")
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let refuse = |words: &str, remedy: &str| Failure::Usage {
        cause: format!("{}: {words}", file.display()),
        remedy: Remedy::words(remedy),
    };
    if file.is_dir() {
        return Err(refuse("is a directory", "name the routes file in it"));
    }
    let bytes = fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            refuse("there is no such file", "name another, or leave it out for the built-in routes")
        }
        _ => refuse(&error.to_string(), "make it readable for you"),
    })?;
    String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8", "save it as UTF-8 text"))
}

/// What the text says and problems of its shape, or the one problem that keeps it from being read.
fn parse(text: &str, positions: &Positions) -> Result<(Spec, Vec<Problem>), Syntax> {
    if positions.documents > 1 {
        return Err((None, "holds several YAML documents; a routes file is one".to_owned()));
    }
    if let Some((path, at)) = positions.duplicates.first() {
        return Err((Some(*at), format!("{path} stands twice")));
    }
    let mut value: Value = serde_yaml::from_str(text).map_err(|error| syntax(&error, text))?;
    value.apply_merge().map_err(|error| syntax(&error, text))?;
    match value {
        Value::Null => Ok((Spec::default(), Vec::new())),
        Value::Mapping(_) => Ok(shape::read(value)),
        _ => Err((Some(Position { line: 1, column: 1 }), "expected names with values, such as \"routes:\"".to_owned())),
    }
}

fn built_in_spec() -> Spec {
    serde_yaml::from_str(SEED).expect("seed data is valid: a test reads it")
}

/// The problems as lines, in the order of the file.
fn located(problems: Vec<Problem>, positions: &Positions, file: &str) -> Vec<String> {
    let mut lines: Vec<(Option<Position>, String)> = problems
        .into_iter()
        .map(|problem| {
            let at = positions.find(&problem.path);
            (at, problem_line(file, at, &problem.path, &problem.words))
        })
        .collect();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}
