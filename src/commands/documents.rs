//! docs/output.md says of every command what its JSON holds: compared with the schemas of the results themselves.

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::{context, device, down, env, images, ledger, publish, start, stop};
use crate::cli::Cli;
use crate::lifecycle::{devices, group_reset, placed, prune, seed, stacks, status, topic_change};
use crate::{bridge, doctor, export, observe, runtime, simulate, trace, ui, verify};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.md");
/// Commands whose output others document, or that have none.
const ELSEWHERE: [&str; 9] = [
    "sub",
    "tail",
    "config",
    "completions",
    "make-archives",
    "context add",
    "context use",
    "context remove",
    "bridge evaluate",
];

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Object,
    List,
    Lines,
}

impl Form {
    /// How the text under the heading begins.
    fn words(self) -> &'static str {
        match self {
            Self::Object => "An object",
            Self::List => "A list",
            Self::Lines => "JSON Lines",
        }
    }
}

/// The commands that print it, its form, and its schema: of one element, where it is a list.
fn results() -> Vec<(&'static str, Form, Schema)> {
    use Form::{Lines, List, Object};
    vec![
        ("up", Object, schema::<placed::Placed>()),
        ("status", Object, schema::<status::Status>()),
        ("doctor", List, schema::<doctor::Finding>()),
        ("logs", Lines, schema::<runtime::LogLine>()),
        ("env", Object, schema::<env::Variables>()),
        ("pub", Object, schema::<publish::Published>()),
        ("tail --stats", Lines, schema::<Vec<ui::messages::TopicRate>>()),
        ("topic list", List, schema::<observe::topics::Summary>()),
        ("topic describe", Object, schema::<observe::topics::Description>()),
        ("topic tree", Object, schema::<observe::mqtt_topics::Heard>()),
        ("topic create, topic alter", Object, schema::<topic_change::Changed>()),
        ("topic delete", Object, schema::<topic_change::Deleted>()),
        ("group list, group describe", List, schema::<observe::groups::Description>()),
        ("group reset", Object, schema::<group_reset::Reset>()),
        ("context list", Object, schema::<context::Known>()),
        ("device list", List, schema::<device::Row<'_>>()),
        ("device show", Object, schema::<device::Shown<'_>>()),
        ("device add, device remove, device rotate", Object, schema::<devices::Changed>()),
        ("simulate", Object, schema::<simulate::Outcome>()),
        ("ledger verify", Object, schema::<ledger::Verified<'_>>()),
        ("trace, trace panic", Object, schema::<trace::Trace>()),
        ("seed", Object, schema::<seed::Seeded>()),
        ("bridge check", Lines, schema::<bridge::check::Outcome>()),
        ("bridge run", Lines, schema::<bridge::run::line::Line<'_>>()),
        ("bridge probe", Object, schema::<super::bridge::probe::Proven>()),
        ("bridge dlq list", List, schema::<bridge::letters::list::Row>()),
        ("bridge dlq show", Object, schema::<bridge::letters::show::Shown>()),
        ("bridge dlq replay", Object, schema::<bridge::letters::replay::Replay>()),
        ("bridge journal inspect", Object, schema::<bridge::journal::Inspection>()),
        ("export k8s, export compose", Object, schema::<export::directory::Written>()),
        ("export secrets", Object, schema::<export::secret_file::Written>()),
        ("verify k8s", Object, schema::<verify::Verified>()),
        ("stop", Object, schema::<stop::Outcome>()),
        ("start, restart", Object, schema::<start::Outcome>()),
        ("down", Object, schema::<down::Outcome>()),
        ("list", List, schema::<stacks::Entry>()),
        ("images list", List, schema::<runtime::docker::images::Image>()),
        ("images save", Object, schema::<images::Saved>()),
        ("images load", Object, schema::<images::Loaded>()),
        ("prune", List, schema::<prune::Waste>()),
    ]
}

/// As it is printed: what is always there is required.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// Where a value is in a document, such as `services[].state`, and of what type it is, in words.
type Fields = BTreeMap<String, String>;

/// Reads fields out of a schema.
struct Reader<'a> {
    definitions: &'a Value,
    fields: Fields,
}

impl<'a> Reader<'a> {
    fn read(schema: &'a Value) -> Fields {
        let mut reader = Self { definitions: &schema["$defs"], fields: Fields::new() };
        let root = if schema["type"] == "array" { &schema["items"] } else { schema };
        reader.object("", root);
        reader.fields
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.definitions[name])
    }

    /// The variants of a schema, each as a whole.
    fn variants(&self, schema: &'a Value) -> Vec<&'a Value> {
        let variants = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
        variants.into_iter().flatten().map(|variant| self.resolved(variant)).collect()
    }

    fn object(&mut self, prefix: &str, schema: &'a Value) {
        let schema = self.resolved(schema);
        let variants = self.variants(schema);
        let wholes = variants.len().max(1);
        let mut seen: BTreeMap<&str, (Vec<String>, usize)> = BTreeMap::new();
        for object in variants.into_iter().chain([schema]) {
            let required: Vec<&str> =
                object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let weight = if std::ptr::eq(object, schema) { wholes } else { 1 };
            for (name, property) in object["properties"].as_object().into_iter().flatten() {
                let words = self.words(&joined(prefix, name), property);
                let (types, always) = seen.entry(name).or_default();
                if required.contains(&name.as_str()) {
                    *always += weight;
                    types.push(words);
                } else {
                    // It is left out where it would be null.
                    types.push(words.trim_end_matches(NULL).to_owned());
                }
            }
        }
        for (name, (types, always)) in seen {
            let absent = if always < wholes { ", or absent" } else { "" };
            self.fields.insert(joined(prefix, name), one_of(&types) + absent);
        }
    }

    /// The type of a value; fields of objects in it are added on the way.
    fn words(&mut self, path: &str, schema: &'a Value) -> String {
        let schema = self.resolved(schema);
        if let Some(constant) = schema["const"].as_str() {
            return format!("`{constant}`");
        }
        if let Some(words) = schema["enum"].as_array() {
            return words
                .iter()
                .filter_map(Value::as_str)
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ");
        }
        let variants = self.variants(schema);
        if !variants.is_empty() && schema["properties"].is_null() {
            let words: Vec<String> = variants.into_iter().map(|variant| self.words(path, variant)).collect();
            return one_of(&words);
        }
        let types = schema["type"].as_array().map_or(vec![&schema["type"]], |types| types.iter().collect());
        let types: Vec<String> =
            types.into_iter().map(|kind| self.kind(path, schema, kind.as_str().unwrap())).collect();
        one_of(&types)
    }

    fn kind(&mut self, path: &str, schema: &'a Value, kind: &str) -> String {
        match kind {
            "array" => format!("list of {}", plural(&self.words(&format!("{path}[]"), &schema["items"]))),
            "object" if schema["additionalProperties"].is_object() => {
                format!("object of {}", plural(&self.words(&format!("{path}.*"), &schema["additionalProperties"])))
            }
            "object" => {
                self.object(path, schema);
                kind.to_owned()
            }
            _ => kind.to_owned(),
        }
    }
}

/// How a value that may be null is told.
const NULL: &str = " or null";

/// Several types in words, each once.
fn one_of(types: &[String]) -> String {
    let is_null = types.iter().any(|words| words == "null" || words.ends_with(NULL));
    let mut words: Vec<&str> = Vec::new();
    for one in types.iter().map(|words| words.trim_end_matches(NULL)).filter(|words| *words != "null") {
        if !words.contains(&one) {
            words.push(one);
        }
    }
    match (words.is_empty(), is_null) {
        (true, _) => "null".to_owned(),
        (false, true) => words.join(", ") + NULL,
        (false, false) => words.join(", "),
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn plural(words: &str) -> String {
    match words.split_once(' ') {
        _ if words.starts_with('`') => words.to_owned(),
        Some((first, rest)) => format!("{first}s {rest}"),
        None => format!("{words}s"),
    }
}

/// A section of the document: its heading, the text up to its table, and the table's rows.
struct Section {
    commands: String,
    text: String,
    fields: Fields,
}

fn sections() -> Vec<Section> {
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let of = |part: &str| {
        let (heading, text) = part.split_once('\n').unwrap();
        let table = text.lines().skip_while(|line| !line.starts_with("| field |")).take_while(|line| !line.is_empty());
        let fields = table.skip(2).map(cells).map(|row| (row[1].trim_matches('`').to_owned(), row[2].clone()));
        Section { commands: heading.replace('`', ""), text: text.trim_start().to_owned(), fields: fields.collect() }
    };
    std::fs::read_to_string(DOCUMENT).unwrap().split("\n### ").skip(1).map(of).collect()
}

#[test]
fn the_documented_results_are_those_of_the_code() {
    let mut documented: BTreeMap<String, Section> =
        sections().into_iter().map(|section| (section.commands.clone(), section)).collect();
    for (commands, form, schema) in results() {
        let section = documented.remove(commands).unwrap_or_else(|| panic!("docs/output.md has no `{commands}`"));
        assert!(section.text.starts_with(form.words()), "{commands}: not \"{}\": {}", form.words(), section.text);
        compare(commands, &section.fields, &schema);
    }
    let errors = documented.remove("Errors").unwrap();
    compare("Errors", &errors.fields, &schema::<ui::ErrorDocument<'_>>());
    assert!(documented.is_empty(), "no such command: {:?}", documented.keys());
}

fn compare(commands: &str, documented: &Fields, schema: &Schema) {
    let actual = Reader::read(schema.as_value());
    let rows = |fields: &Fields| {
        fields.iter().map(|(name, words)| format!("| `{name}` | {words} |")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        documented,
        &actual,
        "{commands}: docs/output.md says\n{}\nand the code\n{}",
        rows(documented),
        rows(&actual)
    );
}

#[test]
fn every_command_is_documented() {
    let sections = sections();
    let named: BTreeSet<&str> = sections.iter().flat_map(|section| section.commands.split(", ")).collect();
    let mut leaves = Vec::new();
    let cli = Cli::command();
    let mut waiting: Vec<(String, &clap::Command)> =
        cli.get_subcommands().map(|command| (command.get_name().to_owned(), command)).collect();
    while let Some((name, command)) = waiting.pop() {
        let below: Vec<_> = command.get_subcommands().map(|sub| (format!("{name} {}", sub.get_name()), sub)).collect();
        if below.is_empty() { leaves.push(name) } else { waiting.extend(below) }
    }
    let missing: Vec<&String> =
        leaves.iter().filter(|name| !named.contains(name.as_str()) && !ELSEWHERE.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "docs/output.md does not say what these print as JSON: {missing:?}");
}
