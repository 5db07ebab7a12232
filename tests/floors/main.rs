//! The floors of the design: which room may use which, and that no file and no room uses one that uses it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod circles;
mod made_up;
mod rules;
mod scan;
mod table;
mod tree;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use table::{FLOORS, RESERVED};
use tree::{Tree, Use};

/// Read once for all tests.
fn ours() -> &'static (Tree, Vec<Use>) {
    static OURS: OnceLock<(Tree, Vec<Use>)> = OnceLock::new();
    OURS.get_or_init(|| {
        let tree = Tree::read("sosstack", &Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
        let uses = tree.uses();
        (tree, uses)
    })
}

#[track_caller]
fn holds(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_file_uses_one_that_uses_it() {
    holds(&rules::circles_of_files(&ours().1));
}

#[test]
fn no_room_uses_one_that_uses_it() {
    holds(&rules::circles_of_rooms(&ours().1));
}

#[test]
fn rooms_use_no_higher_floor() {
    let (tree, uses) = ours();
    holds(&rules::against_floors(tree, uses, &FLOORS));
}

#[test]
fn only_those_who_may_use_what_is_reserved() {
    let (tree, uses) = ours();
    holds(&rules::against_reservations(tree, uses, &RESERVED));
}

#[test]
fn every_room_is_on_the_maps() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let (documentation, contributing) = (read("src/lib.rs"), read("CONTRIBUTING.md"));
    let rooms = ours().0.rooms().into_iter().filter(|room| *room != "main");
    let missing = rooms.flat_map(|room| {
        let place =
            if root.join("src").join(room).is_dir() { format!("`src/{room}/`") } else { format!("`src/{room}.rs`") };
        let on_ours = documentation.contains(&format!("[`{room}`]"));
        let on_theirs = contributing.contains(&place);
        let words = |map: &str| format!("the map in {map} lacks {room}");
        [
            (!on_ours).then(|| words("src/lib.rs")),
            (!on_theirs).then(|| words("CONTRIBUTING.md") + &format!(" ({place})")),
        ]
    });
    holds(&missing.flatten().collect::<Vec<_>>());
}
