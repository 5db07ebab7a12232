//! Circles among uses.

use std::collections::{BTreeMap, BTreeSet};

/// The groups of names of which each reaches each, by pairs of who uses whom.
pub fn circles<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in pairs {
        next.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|name| (*name, reach(&next, name))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|names| names.contains(to));
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for name in next.keys() {
        if reaches(name, name) && !circles.iter().any(|circle| circle.contains(name)) {
            circles.push(reached[name].iter().copied().filter(|other| reaches(other, name)).collect());
        }
    }
    circles
}

fn reach<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
    while let Some(name) = waiting.pop() {
        if reached.insert(name) {
            waiting.extend(next.get(name).into_iter().flatten());
        }
    }
    reached
}
