//! The rules on small trees of made-up files.

use super::rules::{against_floors, against_reservations, circles_of_files, circles_of_rooms};
use super::table::{Reserved, What};
use super::tree::{Tree, Use};

fn tree(files: &[(&str, &str)]) -> (Tree, Vec<Use>) {
    let tree = Tree::new("stock", files.iter().copied()).unwrap();
    let uses = tree.uses();
    (tree, uses)
}

/// `from -> to` for each use.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    tree(files).1.iter().map(|one| format!("{} -> {}", one.from, one.to)).collect()
}

#[test]
fn paths_are_followed_wherever_they_are_written() {
    let files = [
        ("lib.rs", "pub mod a; pub mod b; pub mod c;"),
        ("a.rs", "pub fn f() { crate::b::g() } pub const N: u8 = 0;"),
        ("b.rs", "use crate::{a::{self, N as M}, c};\npub fn g() -> u8 { a::f(); println!(\"{}\", c::deep::D); M }"),
        ("c/mod.rs", "pub mod deep;"),
        ("c/deep.rs", "pub struct D; fn up() { super::super::a::f() }"),
        ("main.rs", "use stock::b;\nfn main() { b::g(); }"),
    ];
    assert_eq!(arrows(&files), ["a -> b", "b -> a", "b -> c", "b -> c::deep", "c::deep -> a", "main -> b"]);
}

#[test]
fn what_is_no_code_uses_nothing() {
    let files = [
        ("lib.rs", "pub mod a; pub mod b;"),
        ("b.rs", "pub struct B;"),
        (
            "a.rs",
            r#"//! [`crate::b::B`]
            /// As [`crate::b::B`].
            pub fn a<'b>(b: &'b str) -> &'b str { "crate::b::B"; /* crate::b::B */ b.b() }
            #[cfg(test)]
            use crate::b::{B};
            #[cfg(test)]
            #[allow(unused)]
            mod tests { use crate::b::B; }"#,
        ),
    ];
    assert_eq!(arrows(&files), Vec::<String>::new());
}

#[test]
fn what_is_handed_on_is_used_where_it_comes_from() {
    let files = [
        ("lib.rs", "pub mod room; pub mod other;"),
        ("room/mod.rs", "mod one; mod two;\npub use one::One;\nuse two::Two;"),
        ("room/one.rs", "use super::Two;\npub struct One(Two);"),
        ("room/two.rs", "pub struct Two;"),
        ("other.rs", "use crate::room::One;"),
    ];
    assert_eq!(arrows(&files), ["other -> room::one", "room -> room::two", "room::one -> room::two"]);
}

#[test]
fn a_room_that_works_with_its_children_is_in_a_circle_with_those_that_build_on_it() {
    let shared = [
        ("lib.rs", "pub mod room;"),
        ("room/mod.rs", "mod child;\npub struct Shared;\npub fn work() { child::work(Shared) }"),
        ("room/child.rs", "use super::Shared;\npub fn work(_: Shared) {}"),
    ];
    let words = "these files use one another; what they share belongs into a file of its own:
  src/room/mod.rs:3: child::work, of room::child
  src/room/child.rs:1: super::Shared, of room";
    assert_eq!(circles_of_files(&tree(&shared).1), [words]);
    let handed_on = [
        ("lib.rs", "pub mod room;"),
        ("room/mod.rs", "mod child;\npub use child::work;\npub struct Shared;"),
        ("room/child.rs", "use super::Shared;\npub fn work(_: Shared) {}"),
    ];
    assert_eq!(circles_of_files(&tree(&handed_on).1), Vec::<String>::new());
    let and_used = [
        ("lib.rs", "pub mod room;"),
        ("room/mod.rs", "mod child;\npub use child::Child;\npub struct Shared(Child);"),
        ("room/child.rs", "pub struct Child;\npub fn work(_: super::Shared) {}"),
    ];
    assert_eq!(circles_of_files(&tree(&and_used).1).len(), 1);
}

#[test]
fn rooms_are_in_a_circle_although_no_two_files_are() {
    let files = [
        ("lib.rs", "pub mod a; pub mod b;"),
        ("a/mod.rs", "pub mod low; pub mod high;"),
        ("a/low.rs", "pub fn f() {}"),
        ("a/high.rs", "pub fn f() { crate::b::f() }"),
        ("b.rs", "pub fn f() { crate::a::low::f() }"),
    ];
    let uses = tree(&files).1;
    assert_eq!(circles_of_files(&uses), Vec::<String>::new());
    let words = "these rooms use one another; what they share belongs into a room below them:
  src/a/high.rs:1: crate::b::f, of b
  src/b.rs:1: crate::a::low::f, of a::low";
    assert_eq!(circles_of_rooms(&uses), [words]);
}

#[test]
fn a_use_of_a_higher_floor_is_named_also_where_it_is_only_handed_on() {
    let files = [
        ("lib.rs", "pub mod high; pub mod low; pub mod lower; pub mod new;"),
        ("high.rs", "use crate::low::L; pub struct H;"),
        ("low.rs", "pub struct L;\npub use crate::high::H;"),
        ("lower.rs", "\n\nuse crate::high::*;"),
        ("new.rs", ""),
    ];
    let (tree, uses) = tree(&files);
    let found = against_floors(&tree, &uses, &[&["low", "lower"], &["high"]]);
    assert!(found[0].starts_with("the room new has no floor: enter it into FLOORS in "), "{found:?}");
    let upwards = [
        "low is below high, and uses it:\n  src/low.rs:2: crate::high::H, of high",
        "lower is below high, and uses it:\n  src/lower.rs:3: crate::high, of high",
    ];
    assert_eq!(found[1..], upwards);
}

#[test]
fn what_is_reserved_is_found_where_it_may_not_be() {
    let files = [
        ("lib.rs", "pub mod a; pub mod b; pub mod inner;"),
        ("a.rs", "use wire::Client;\nuse crate::inner::deep::D;"),
        ("b.rs", "#[derive(wire::Wired)]\nstruct Wire;\nfn wire() { crate::inner::deep::f() }"),
        ("inner/mod.rs", "pub mod deep;\nfn f() { deep::f() }"),
        ("inner/deep.rs", "pub struct D;\npub fn f() {}"),
    ];
    let (tree, uses) = tree(&files);
    let reserved = [
        Reserved { what: What::Crate("wire"), users: &["a"] },
        Reserved { what: What::Module("inner::deep"), users: &["a", "inner"] },
    ];
    let found = against_reservations(&tree, &uses, &reserved);
    let words = [
        "only a may use wire:\n  src/b.rs:1: wire::Wired, of wire",
        "only a, inner may use inner::deep:\n  src/b.rs:3: crate::inner::deep::f, of inner::deep",
    ];
    assert_eq!(found, words);
}
