//! Rules of this project that the compiler does not know, held by reading its sources.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use sosstack::stack::leaf::{Direction, LEAVES};
use sosstack::stack::ports::PortName;
use sosstack::stack::{Role, device, image, names};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !is_of_tests(path))
        .collect()
}

/// Whether all of a file is tests: its `mod` stands under `cfg(test)`.
fn is_of_tests(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
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
                 restart|down|list|images|prune|bridge|simulate|ledger";
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

/// A fact, by what it looks like in code; the files that state it; and files that show it to people as an example.
const FACTS: [(&str, &[&str], &[&str]); 5] = [
    (r"\b(2181|2888|3888|9092|19092|8883|9001)\b", &["stack/ports.rs"], &["cli/clients.rs"]),
    (r"\b1883\b", &["stack/ports.rs", "stack/image.rs"], &["cli/clients.rs"]),
    (r"(kafka|zookeeper|mqtt|\{[a-z]*\})-(headless|service)\b", &["stack/names.rs"], &[]),
    (
        r"/etc/sosstack|/run/sosstack|/opt/kafka|/var/lib/kafka|/mosquitto/(data|config|log)|/datalog",
        &["stack/image.rs"],
        &[],
    ),
    (r"\b(device|wearable|panic|emergency|geofence)/[{%+a-z]", &["stack/leaf.rs"], &["address.rs", "cli/"]),
];

/// What is written twice is changed once.
#[test]
fn each_fact_stands_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(String, Vec<(usize, String)>)> = sources(&root)
        .iter()
        .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), code(path)))
        .collect();
    let mut found = Vec::new();
    for (fact, homes, examples) in FACTS {
        let fact = Regex::new(fact).unwrap();
        for home in homes {
            let lines = &files.iter().find(|(name, _)| name == home).unwrap().1;
            assert!(lines.iter().any(|(_, line)| fact.is_match(line)), "{home} does not state {fact}");
        }
        for (name, lines) in &files {
            if homes.contains(&name.as_str()) || examples.iter().any(|example| name.starts_with(example)) {
                continue;
            }
            let written = lines.iter().filter(|(_, line)| fact.is_match(line));
            found.extend(written.map(|(number, line)| format!("src/{name}:{number}: {} ({homes:?})", line.trim())));
        }
    }
    assert!(found.is_empty(), "take these from where they stand:\n{}", found.join("\n"));
}

/// Scripts are files of their own, for shellcheck and for people; what they spell out is held to the facts.
#[test]
fn scripts_say_what_the_facts_say() {
    let script = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)).unwrap();
    let (user, mqtt) = (image::user(Role::Mosquitto), PortName::Mqtt.number());
    let (own, run, home) = (image::OWN_CONFIG, image::OWN_RUN, image::KAFKA_HOME);
    let (probe, peer, bridge) = (device::PROBE_USER, device::PEER_USER, device::BRIDGE_USER);
    let expected: [(&str, &[String]); 5] = [
        (
            "export/compose/scripts/credentials.sh",
            &[format!("\nowner={user}:{user}\n"), format!("\nprobe={probe}\n"), format!("\nusers={own}/users\n")],
        ),
        (
            "export/compose/scripts/mosquitto-healthy.sh",
            &[format!("port {mqtt} ({mqtt:04X})"), format!("':{mqtt:04X} ")],
        ),
        (
            "export/scripts/topics.sh",
            &[format!("\nwanted={own}/topics\n"), format!("file:{own}/log4j.properties"), format!("'{home}/libs/*'")],
        ),
        (
            "export/kubernetes/scripts/accounts.sh",
            &[
                format!("SOSSTACK_CONFIG:-{own}}}"),
                format!("SOSSTACK_RUN:-{run}}}"),
                format!("'user {peer}\\n"),
                format!("' {bridge} \"$(cat \"$secrets/bridge/password\")\""),
                format!("'user {probe}\\n"),
                format!("'' | {peer} | {bridge} | {probe} |"),
                format!("port {} is open", PortName::Mqtts.number()),
            ],
        ),
        ("verify/mqtt.sh", &[format!("cp -r {run}/probe"), format!("backend {})", names::clients(Role::Mosquitto))]),
    ];
    for (path, parts) in expected {
        let text = script(path);
        for part in parts {
            assert!(text.contains(part), "src/{path} does not say {part:?}");
        }
    }
}

#[test]
fn the_documented_mqtt_topics_are_those_that_devices_have() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md")).unwrap();
    let rows: Vec<&str> =
        docs.lines().filter(|line| line.ends_with(" | up |") || line.ends_with(" | down |")).collect();
    let expected = LEAVES.map(|leaf| {
        let direction = if leaf.direction == Direction::Up { "up" } else { "down" };
        format!("| `{}` | {} | {direction} |", leaf.shape, leaf.qos)
    });
    assert_eq!(rows, expected);
}

/// A result put together by hand has no schema, and docs/output.md cannot be held against it.
#[test]
fn no_json_is_put_together_by_hand() {
    let found = lines_with(&Regex::new(r"\bjson!").unwrap(), "");
    assert!(found.is_empty(), "make a struct of it:\n{}", found.join("\n"));
}

/// What runs for a while, or in a thread of its own, is an engine, and others than the command line want to call it.
#[test]
fn commands_hold_no_engine() {
    let engine = Regex::new(r"\bthread::|\bspawn\b|\bspawn_blocking|\bmpsc\b|\boneshot\b|CancellationToken").unwrap();
    // Starts this program once more.
    let mut found = lines_with(&engine, "commands/");
    found.retain(|line| !line.starts_with("src/commands/archives.rs"));
    assert!(found.is_empty(), "move it to its room:\n{}", found.join("\n"));
}

fn lines_with(what: &Regex, under: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        if name.starts_with(under) {
            let lines = code(&path).into_iter().filter(|(_, line)| what.is_match(line));
            found.extend(lines.map(|(number, line)| format!("src/{name}:{number}: {}", line.trim())));
        }
    }
    found
}

#[test]
fn the_image_is_built_with_the_rust_that_is_promised() {
    let dockerfile = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let builder = format!("ARG BUILDER=rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(dockerfile.contains(&builder), "{builder}");
}

/// They are copied and pasted.
#[test]
fn documents_name_the_image_that_make_image_makes() {
    let image = Regex::new(r"\bsosstack:(\d+\.\d+\.\d+)").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "docs/bridge.md", "docs/compose.md", "docs/kubernetes.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let others = image.captures_iter(&text).filter(|found| &found[1] != env!("CARGO_PKG_VERSION"));
        let others: Vec<&str> = others.map(|found| found.get(0).unwrap().as_str()).collect();
        assert!(others.is_empty(), "{document}: {others:?}");
    }
}

/// What reads like a translation, and what to write instead. A phrase is here when it has come back, and when no idiomatic
/// sentence has it.
const TRANSLATED: [(&str, &str); 21] = [
    (r"(?:[^e]|[^r]e) is no [a-z]+ (?:name|id|filter|version)\b", "is not a valid …"),
    (r"\bstands? (?:twice|alone|there|still)\b", "appears twice; is on its own; is stuck"),
    (r"\b(?:whatever|everything|what) stands (?:in|there)\b", "whatever it contains"),
    (r"(?:^|[.;:,] )who (?:wants|needs|reads|asks)\b", "if you want …"),
    (r"\b(?:needs?|is|are)(?: \w+)? no more\b", "no longer"),
    (r"\bfor want of\b", "for lack of"),
    (r"\b(?:is|are) to be had\b", "is available"),
    (r"\bsmall (?:and|or) capital letters\b", "ignoring case"),
    (r"\btakes? \S+ and \S+ (?:letters )?for the same\b", "does not distinguish"),
    (r"\b(?:go|goes|going|gone|went) round\b", "makes the round trip; loops"),
    (r"\bsays what(?:,| and)\b", "lists them"),
    (r"\ball the same\b", "anyway; still"),
    (r"\b(?:trying on|connecting again|taken up again)\b", "still trying; reconnecting; resumed"),
    (r"\banew\b", "again; newly"),
    (r"\b(?:readable|writable) for\b", "readable by"),
    (r"\bone a line\b|\ba line each\b", "one per line"),
    (r"\bhalf-way\b", "halfway"),
    (r"\blet us\b", "the imperative"),
    (r"\bnobody knows\b", "is unknown"),
    (r"\b(?:is|are) told from\b", "is distinguished from"),
    (r"\bat the most\b", "at most"),
];

/// Help, messages and documents are read by people who are in a hurry.
#[test]
fn no_text_reads_like_a_translation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines: Vec<(String, String)> = Vec::new();
    for path in sources(&root.join("src")) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        // Help texts are comments.
        let of_help = |line: &&str| name.starts_with("src/cli/") && line.trim_start().starts_with("///");
        let text = fs::read_to_string(&path).unwrap();
        let help = text.lines().enumerate().filter(|(_, line)| of_help(line));
        lines.extend(help.map(|(number, line)| (format!("{name}:{}", number + 1), line.to_owned())));
        lines.extend(code(&path).into_iter().map(|(number, line)| (format!("{name}:{number}"), line)));
    }
    let documents = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let at_the_top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name));
    for path in documents.filter(|path| path.extension().is_some_and(|kind| kind == "md")).chain(at_the_top) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        lines.extend(text.lines().enumerate().map(|(at, line)| (format!("{name}:{}", at + 1), line.to_owned())));
    }
    let mut found = Vec::new();
    for (phrase, instead) in TRANSLATED {
        let phrase = Regex::new(&format!("(?i){phrase}")).unwrap();
        let such = lines.iter().filter(|(_, line)| phrase.is_match(line));
        found.extend(such.map(|(place, line)| format!("{place}: {} (write: {instead})", line.trim())));
    }
    assert!(found.is_empty(), "write these as an editor would:\n{}", found.join("\n"));
}
