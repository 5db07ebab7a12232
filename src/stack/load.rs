//! From a stack file to a stack, or to everything that is wrong with the file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_yaml::Value;

use super::document::{Document, is_within, problem_line};
use super::positions::{Position, Positions};
use super::shape::Problem;
use super::spec::{Extends, PortsSpec, Spec};
use super::{Profile, Stack, StackName, merge, validate, variables};
use crate::failure::Failure;

pub use super::place::Place;
pub use super::spec::RuntimeChoice;

/// What a stack file is called where none is named.
const FILE_NAMES: [&str; 2] = ["sosstack.yaml", "sosstack.yml"];

const DOCUMENT: Document = Document {
    kind: "stack file",
    without: "name another with --file, or omit it to use the built-in stack",
    example: "name: sos",
    has_variables: true,
};

/// What flags say, over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<StackName>,
    pub port_offset: Option<u16>,
    pub profile: Option<Profile>,
    pub place: Place,
}

/// The effective stack.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub stack: Stack,
    pub runtime: Option<RuntimeChoice>,
    /// The profile that the file or a flag names.
    pub profile: Option<Profile>,
    pub file: Option<PathBuf>,
}

/// The stack file of a directory or of the nearest one above it.
pub fn find_file(start: &Path) -> Option<PathBuf> {
    let files = |dir: &Path| FILE_NAMES.map(|name| dir.join(name));
    start.ancestors().flat_map(files).find(|file| file.is_file())
}

/// Seed data, then the file, then the flags.
///
/// # Errors
/// [`Failure::Usage`] when the file cannot be read, [`Failure::InvalidStackFile`] with every problem.
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Loaded> {
    load_text(&file.map(|file| DOCUMENT.read(file)).transpose()?.unwrap_or_default(), file, overrides)
}

/// As [`load`], from the file's text; `file` is what it is called in problems.
///
/// # Errors
/// [`Failure::InvalidStackFile`] with every problem.
pub fn load_text(text: &str, file: Option<&Path>, overrides: &Overrides) -> Result<Loaded> {
    let shown = file.map(|file| file.display().to_string());
    let positions = Positions::of(text);
    let (mut spec, mut problems): (Spec, _) = DOCUMENT
        .parse(text, &positions)
        .map_err(|(at, words)| Failure::InvalidStackFile { problems: vec![line(shown.as_deref(), at, "", &words)] })?;
    // Placeholders of entries that were named as problems already.
    let broken = problems.clone();
    apply(&mut spec, overrides);
    let stack = merge::stack(&spec, overrides.place);
    let semantic = validate::problems(&spec, &stack).into_iter();
    problems.extend(semantic.filter(|problem| !is_within(&broken, &problem.path)));
    if problems.is_empty() {
        let file = file.map(Path::to_owned);
        return Ok(Loaded { stack, runtime: spec.runtime, profile: spec.profile, file });
    }
    Err(Failure::InvalidStackFile { problems: located(problems, &positions, shown.as_deref(), overrides) }.into())
}

fn apply(spec: &mut Spec, overrides: &Overrides) {
    if overrides.name.is_some() {
        spec.name.clone_from(&overrides.name);
    }
    spec.profile = overrides.profile.or(spec.profile);
    if overrides.port_offset.is_some() {
        spec.ports.get_or_insert_with(PortsSpec::default).offset = overrides.port_offset;
    }
}

/// The problems as lines, in the order of the file.
fn located(problems: Vec<Problem>, positions: &Positions, file: Option<&str>, overrides: &Overrides) -> Vec<String> {
    let mut lines: Vec<(Option<Position>, String)> = problems
        .into_iter()
        .map(|problem| {
            let by_flag = overrides.port_offset.is_some() && problem.path == "ports.offset";
            if by_flag || (file.is_none() && !positions.has(&problem.path)) {
                let origin = if problem.path.starts_with("ports") { "--port-offset" } else { "flags" };
                return (None, format!("{origin}: {}", problem.words));
            }
            let at = positions.find(&problem.path);
            (at, line(file, at, &problem.path, &problem.words))
        })
        .collect();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn line(file: Option<&str>, at: Option<Position>, path: &str, words: &str) -> String {
    problem_line(file.unwrap_or("stack"), at, path, words)
}

/// The stack as a stack file that makes the same stack.
pub fn to_yaml(stack: &Stack) -> String {
    let mut value = serde_yaml::to_value(stack).expect("a stack is plain data");
    variables::escape(&mut value);
    let mut file = serde_yaml::Mapping::new();
    file.insert("extends".into(), serde_yaml::to_value(Extends::Nothing).expect("an enum is plain data"));
    if let Value::Mapping(entries) = value {
        file.extend(entries);
    }
    serde_yaml::to_string(&file).expect("a mapping is YAML")
}

/// The stack file's JSON Schema, draft 2020-12.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(Spec);
    serde_json::to_string_pretty(&schema).expect("a schema is JSON")
}
