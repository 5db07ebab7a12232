//! From a routes file to routes, or to everything that is wrong with it.

use std::path::Path;

use anyhow::Result;

use super::Routes;
use super::merge::merge;
use super::spec::Spec;
use super::validate;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::stack::document::{Document, is_within, problem_line};
use crate::stack::positions::{Position, Positions};
use crate::stack::shape::Problem;

const SEED: &str = include_str!("../../../seed-data/routes.yaml");

const DOCUMENT: Document = Document {
    kind: "routes file",
    without: "name another file, or omit it to use the built-in routes",
    example: "routes:",
    // In jq, a dollar sign begins names that the route knows.
    has_variables: false,
};

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
        Self::load_text(&file.map(|file| DOCUMENT.read(file)).transpose()?.unwrap_or_default(), file, stack)
    }

    /// As [`Routes::load`], from the file's text; `file` is what it is called in problems.
    ///
    /// # Errors
    /// [`Failure::InvalidRoutes`] with every problem.
    pub fn load_text(text: &str, file: Option<&Path>, stack: &Stack) -> Result<Self> {
        let shown = file.map_or_else(|| "routes".to_owned(), |file| file.display().to_string());
        let positions = Positions::of(text);
        let (user, mut problems): (Spec, _) = DOCUMENT
            .parse(text, &positions)
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
