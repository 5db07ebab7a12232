//! Which file uses which: paths followed through modules, imports and re-exports to the file that has the item.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::scan::{Import, Scan, scan};

/// One file uses another, or a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The module that uses, such as `kafka::admin`.
    pub from: String,
    /// The module, or the crate, that is used.
    pub to: String,
    /// The file that uses, such as `src/kafka/admin.rs`.
    pub file: String,
    pub line: usize,
    /// What is written there.
    pub path: String,
}

impl Use {
    /// For a person who is to change it.
    pub fn words(&self) -> String {
        format!("{}:{}: {}, of {}", self.file, self.line, self.path, self.to)
    }
}

/// The top-level module of a module.
pub fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

struct Module {
    file: String,
    scan: Scan,
}

/// A crate's modules by their paths; its root is the empty one.
pub struct Tree {
    name: String,
    modules: BTreeMap<String, Module>,
}

/// More links than any chain of re-exports has.
const LINKS: usize = 16;

impl Tree {
    /// Reads a crate's sources, given as files' names below `src/` with their texts; `name` is what the binary calls it.
    ///
    /// # Errors
    /// When a file is not Rust.
    pub fn new<'a>(name: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            let scan = scan(text).map_err(|error| format!("src/{file}: {error}"))?;
            let module = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
            let module = if module == "lib" { String::new() } else { module };
            modules.insert(module, Module { file: format!("src/{file}"), scan });
        }
        Ok(Self { name: name.to_owned(), modules })
    }

    /// Reads the sources in a directory.
    ///
    /// # Errors
    /// When a file cannot be read, or is not Rust.
    pub fn read(name: &str, src: &Path) -> Result<Self, String> {
        let mut texts = Vec::new();
        for path in rust_files(src).map_err(|error| format!("{}: {error}", src.display()))? {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            texts.push((path.strip_prefix(src).unwrap_or(&path).display().to_string(), text));
        }
        Self::new(name, texts.iter().map(|(file, text)| (file.as_str(), text.as_str())))
    }

    /// The top-level modules.
    pub fn rooms(&self) -> Vec<&str> {
        let mut rooms: Vec<&str> =
            self.modules.keys().map(|module| room(module)).filter(|room| !room.is_empty()).collect();
        rooms.dedup();
        rooms
    }

    /// Every use of one file by another: one place for each pair.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = BTreeMap::new();
        self.each_path(|name, path, import, line| {
            let to = self.meant_by(name, path, import.is_some(), LINKS).filter(|to| to != name && !to.is_empty());
            // What a room hands on of its own is used by whoever takes it, not here.
            let hands_on = |to: &String| import.is_some_and(|import| import.passed_on) && is_within(to, name);
            if let Some(to) = to.filter(|to| !hands_on(to)) {
                let pair = (name.to_owned(), to.clone());
                uses.entry(pair).or_insert_with(|| self.found(name, to, path, line));
            }
        });
        uses.into_values().collect()
    }

    /// Every use of a crate of this name: one place for each file.
    pub fn uses_of_crate(&self, wanted: &str) -> Vec<Use> {
        let mut uses = BTreeMap::new();
        self.each_path(|name, path, import, line| {
            let is_it = path.len() > 1 && path[0] == wanted;
            if is_it && self.meant_by(name, path, import.is_some(), LINKS).is_none() {
                uses.entry(name.to_owned()).or_insert_with(|| self.found(name, wanted.to_owned(), path, line));
            }
        });
        uses.into_values().collect()
    }

    /// Each path in each module, with its import where it is one, and its line.
    fn each_path<'a>(&'a self, mut each: impl FnMut(&'a str, &'a [String], Option<&'a Import>, usize)) {
        for (name, module) in &self.modules {
            for import in &module.scan.imports {
                each(name, &import.path, Some(import), import.line);
            }
            for mention in &module.scan.mentions {
                each(name, &mention.path, None, mention.line);
            }
        }
    }

    fn found(&self, from: &str, to: String, path: &[String], line: usize) -> Use {
        Use { from: from.to_owned(), to, file: self.modules[from].file.clone(), line, path: path.join("::") }
    }

    /// The module that has what a path means in a module; None outside the crate.
    fn meant_by(&self, name: &str, path: &[String], is_import: bool, links: usize) -> Option<String> {
        let links = links.checked_sub(1)?;
        let module = self.modules.get(name)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            // `pub(super)` is not a use; `use super::*` is.
            "crate" | "self" | "super" if rest.is_empty() && !is_import => None,
            "crate" => self.below(String::new(), rest, links),
            "self" => self.below(name.to_owned(), rest, links),
            "super" => {
                let mut base = parent(name);
                let mut rest = rest;
                while rest.first().is_some_and(|next| next == "super") {
                    base = parent(base);
                    rest = &rest[1..];
                }
                self.below(base.to_owned(), rest, links)
            }
            _ if *first == self.name && name == "main" => self.below(String::new(), rest, links),
            _ if module.scan.children.contains(first) && !rest.is_empty() => self.below(name.to_owned(), path, links),
            _ => {
                let is_it =
                    |import: &&Import| import.name == *first && (!is_import || import.path.first() != Some(first));
                let import = module.scan.imports.iter().find(is_it)?;
                let whole: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                self.meant_by(name, &whole, true, links)
            }
        }
    }

    /// The module that has what `path` means seen from `base`.
    fn below(&self, base: String, path: &[String], links: usize) -> Option<String> {
        let links = links.checked_sub(1)?;
        let Some((first, rest)) = path.split_first() else { return Some(base) };
        let child = if base.is_empty() { first.clone() } else { format!("{base}::{first}") };
        if self.modules.contains_key(&child) {
            return self.below(child, rest, links);
        }
        let scan = &self.modules.get(&base)?.scan;
        if scan.items.contains(first) {
            return Some(base);
        }
        let imports = scan.imports.iter();
        if let Some(import) = imports.clone().find(|import| import.name == *first) {
            let whole: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            return self.meant_by(&base, &whole, true, links);
        }
        let globs = imports.filter(|import| import.name == "*");
        for target in globs.filter_map(|glob| self.meant_by(&base, &glob.path, true, links)) {
            if self.modules.get(&target).is_some_and(|module| module.scan.items.contains(first)) {
                return Some(target);
            }
        }
        Some(base)
    }
}

/// Whether a module is another one, or below it.
pub fn is_within(module: &str, above: &str) -> bool {
    module.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn rust_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
