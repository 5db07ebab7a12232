//! What is against the rules, in words for whoever is to mend it.

use std::collections::BTreeSet;

use super::circles::circles;
use super::table::{Reserved, What};
use super::tree::{Tree, Use, is_within, room};

/// Files that use one another.
pub fn circles_of_files(uses: &[Use]) -> Vec<String> {
    circles_by(uses, |module| module, "these files use one another; what they share belongs into a file of its own:")
}

/// Rooms that use one another.
pub fn circles_of_rooms(uses: &[Use]) -> Vec<String> {
    circles_by(uses, room, "these rooms use one another; what they share belongs into a room below them:")
}

fn circles_by(uses: &[Use], name: impl Fn(&str) -> &str, words: &str) -> Vec<String> {
    let pair = |one: &Use| (name(&one.from).to_owned(), name(&one.to).to_owned());
    let pairs: Vec<(String, String)> = uses.iter().map(pair).filter(|(from, to)| from != to).collect();
    let circles = circles(pairs.iter().map(|(from, to)| (from.as_str(), to.as_str())));
    let shown = |circle: BTreeSet<&str>| {
        let is_of_it = |one: &&Use| {
            let (from, to) = pair(one);
            from != to && circle.contains(from.as_str()) && circle.contains(to.as_str())
        };
        let lines = uses.iter().filter(is_of_it).map(|one| format!("\n  {}", one.words()));
        format!("{words}{}", lines.collect::<String>())
    };
    circles.into_iter().map(shown).collect()
}

/// Rooms without a floor, and uses of what is on a higher one.
pub fn against_floors(tree: &Tree, uses: &[Use], floors: &[&[&str]]) -> Vec<String> {
    let floor = |room: &str| floors.iter().position(|floor| floor.contains(&room));
    let unknown = tree.rooms().into_iter().filter(|room| floor(room).is_none()).map(|room| {
        format!(
            "the room {room} has no floor: enter it into FLOORS in tests/floors/table.rs, above what it uses and below \
             what uses it, and into the maps of src/lib.rs and CONTRIBUTING.md"
        )
    });
    let upwards = uses.iter().filter(|one| {
        let (from, to) = (floor(room(&one.from)), floor(room(&one.to)));
        from.zip(to).is_some_and(|(from, to)| from < to)
    });
    let upwards =
        upwards.map(|one| format!("{} is below {}, and uses it:\n  {}", room(&one.from), room(&one.to), one.words()));
    unknown.chain(upwards).collect()
}

/// Uses of what only others may use.
pub fn against_reservations(tree: &Tree, uses: &[Use], reserved: &[Reserved]) -> Vec<String> {
    let mut found = Vec::new();
    for Reserved { what, users } in reserved {
        let may = |module: &str| users.iter().any(|user| is_within(module, user));
        let (name, of_it) = match what {
            What::Crate(name) => (name, tree.uses_of_crate(name)),
            What::Module(name) => {
                let outside = |one: &&Use| is_within(&one.to, name) && !is_within(&one.from, name);
                (name, uses.iter().filter(outside).cloned().collect())
            }
        };
        let wrong = of_it.iter().filter(|one| !may(&one.from));
        found.extend(wrong.map(|one| format!("only {} may use {name}:\n  {}", users.join(", "), one.words())));
    }
    found
}
