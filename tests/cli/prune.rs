//! What `prune` finds in a home, and what it leaves.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::machine::Machine;

/// A home with jars and archives that nothing uses, and a fetch that was broken off.
fn untidy() -> (Machine, Vec<PathBuf>) {
    let machine = Machine::bare();
    let cache = machine.path().join(".cache/sosstack");
    let waste = [
        cache.join("jars/kafka-3.0.0-zookeeper-3.6.0"),
        cache.join("jars/kafka-3.1.0-zookeeper-3.6.0.partial"),
        cache.join("classes/0123456789abcdef"),
    ];
    for dir in &waste {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("file"), vec![0; 3 * 1024 * 1024]).unwrap();
    }
    File::create(cache.join("jars/kafka-3.1.0-zookeeper-3.6.0.lock")).unwrap();
    (machine, waste.to_vec())
}

#[test]
fn waste_is_named_with_its_size_and_goes_only_when_told_to() {
    let (machine, waste) = untidy();
    let looked = machine.run(&["prune", "--dry-run"]);
    assert_eq!(looked.code, Some(0), "{looked:?}");
    // How wide the columns are depends on where the home is.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(looked.stdout.lines().map(words).collect::<Vec<_>>().join("\n"));
    let asked = machine.run(&["prune"]);
    assert_eq!(asked.code, Some(2), "nobody is there to answer: {asked:?}");
    assert!(waste.iter().all(|dir| dir.is_dir()));
    let removed = machine.run(&["prune", "--yes"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(removed.stderr.contains("3 removed, 9 MiB freed"), "{removed:?}");
    assert!(waste.iter().all(|dir| !dir.exists()));
    assert!(machine.run(&["prune"]).stderr.contains("Nothing to remove"));
}

#[test]
fn what_another_sosstack_is_fetching_is_left_alone() {
    let (machine, waste) = untidy();
    let lock = File::open(waste[1].with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let removed = machine.run(&["prune", "--yes"]);
    assert!(removed.stderr.contains("2 removed"), "{removed:?}");
    assert!(waste[1].is_dir());
}
