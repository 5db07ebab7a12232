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
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let kept: BTreeMap<String, String> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .collect();
    let emitted = emitted();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    let remedy = "to accept the change: cargo run -- export k8s";
    assert_eq!(names(&kept), names(&emitted), "{remedy}");
    for (name, text) in &emitted {
        assert!(kept[name] == *text, "k8s/{name} differs from what is emitted; {remedy}");
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
    assert_eq!(names, ["all.yaml", "kustomization.yaml"]);
    assert!(single[1].contents.contains("resources:\n- all.yaml\n"));
    let count = |text: &str| text.lines().filter(|line| line.starts_with("kind: ")).count();
    let many: usize = emitted().iter().filter(|(name, _)| *name != "kustomization.yaml").map(|(_, t)| count(t)).sum();
    assert_eq!(count(&single[0].contents), many);
}
