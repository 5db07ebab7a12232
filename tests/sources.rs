//! Rules of this project that the compiler does not know, held by reading its sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The code of a file: without comments, and without its tests, which come last.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    lines.filter(|(_, line)| is_code(line)).map(|(number, line)| (number + 1, line.to_owned())).collect()
}

/// A command that forgets `--stack` acts on another stack than the message is about.
#[test]
fn no_text_spells_out_a_command_of_ours() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let verbs = "up|status|doctor|logs|env|pub|sub|tail|topic|group|context|device|seed|config|export|verify|stop|start|\
                 restart|down|list|images|prune|bridge";
    let command = Regex::new(&format!(r"sosstack ({verbs})\b")).unwrap();
    // Help texts, and marks in files that were made by a command.
    let may = ["cli/", "export/compose/mark.rs", "export/kubernetes/mod.rs", "export/secrets.rs"];
    let mut found = Vec::new();
    for path in sources(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        if may.iter().any(|allowed| name.starts_with(allowed)) {
            continue;
        }
        let spelled = code(&path).into_iter().filter(|(_, line)| command.is_match(line));
        found.extend(spelled.map(|(number, line)| format!("src/{name}:{number}: {}", line.trim())));
    }
    assert!(found.is_empty(), "take the command from an About, which names the stack:\n{}", found.join("\n"));
}
