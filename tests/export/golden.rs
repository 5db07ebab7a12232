//! `k8s/` in the repository is exactly what the binary emits.

use std::collections::BTreeMap;
use std::path::Path;

use sosstack::export::kubernetes::{Settings, files};

use crate::objects::stack;

fn emitted() -> BTreeMap<String, String> {
    files(&stack(""), &Settings::default()).into_iter().map(|file| (file.name, file.contents)).collect()
}

#[test]
fn the_checked_in_manifests_are_what_is_emitted() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s");
    let mut kept = BTreeMap::new();
    read_all(&dir, "", &mut kept);
    let emitted = emitted();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    let remedy = "to accept the change: cargo run -- export k8s";
    assert_eq!(names(&kept), names(&emitted), "{remedy}");
    for (name, text) in &emitted {
        assert!(kept[name] == *text, "k8s/{name} differs from what is emitted; {remedy}");
    }
}

/// All files below a directory, by their paths in it.
fn read_all(dir: &Path, prefix: &str, kept: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            read_all(&entry.path(), &format!("{name}/"), kept);
        } else {
            kept.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_same_stack_makes_the_same_bytes() {
    assert_eq!(emitted(), emitted());
}

#[test]
fn one_file_holds_the_same_objects() {
    let settings = Settings { single_file: true, ..Settings::default() };
    let single = files(&stack(""), &settings);
    let names: Vec<&str> = single.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names[..2], ["all.yaml", "kustomization.yaml"]);
    assert!(names[2..].iter().all(|name| name.starts_with("components/bridge/")), "{names:?}");
    assert!(single[1].contents.contains("resources:\n- all.yaml\n"));
    let count = |text: &str| text.lines().filter(|line| line.starts_with("kind: ")).count();
    let is_object = |name: &str| !name.ends_with("kustomization.yaml") && !name.contains('/');
    let many: usize = emitted().iter().filter(|(name, _)| is_object(name)).map(|(_, text)| count(text)).sum();
    assert_eq!(count(&single[0].contents), many);
}
