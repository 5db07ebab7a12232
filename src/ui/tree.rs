//! MQTT topics as a tree, level by level.

use std::collections::BTreeMap;

use super::messages::visible;
use super::table::{Cell, DIM, Table};

/// A level with more names shows the busiest of them; the others share a line.
const WIDE: usize = 10;
/// Characters of a payload that are shown.
const PAYLOAD: usize = 48;

/// What is known of one topic, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaf {
    pub messages: u64,
    /// Topics of which the server keeps a message.
    pub retained: u64,
    /// The beginning of the last payload; None where that is not text.
    pub last: Option<String>,
}

#[derive(Default)]
struct Node {
    /// None where there are topics below it only.
    own: Option<Leaf>,
    messages: u64,
    retained: u64,
    topics: u64,
    below: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, levels: &[&str], leaf: Leaf) {
        self.messages += leaf.messages;
        self.retained += leaf.retained;
        self.topics += 1;
        match levels.split_first() {
            None => self.own = Some(leaf),
            Some((first, rest)) => self.below.entry((*first).to_owned()).or_default().add(rest, leaf),
        }
    }
}

/// The tree below a filter, down to `depth` levels; wide levels are cut unless `whole` is asked for.
pub fn draw<'a>(filter: &str, leaves: impl Iterator<Item = (&'a str, Leaf)>, depth: usize, whole: bool) -> String {
    let mut root = Node::default();
    leaves.for_each(|(topic, leaf)| root.add(&topic.split('/').collect::<Vec<_>>(), leaf));
    let mut table = Table::new(&["TOPIC", "MESSAGES", "RETAINED", "LAST PAYLOAD"]);
    table.row(row(filter.to_owned(), &root, Cell::styled(topics(root.topics), DIM)));
    rows(&mut table, &root, "", depth, if whole { usize::MAX } else { WIDE });
    table.render()
}

fn rows(table: &mut Table, node: &Node, indent: &str, depth: usize, most: usize) {
    let (shown, others) = busiest(node, most);
    for (at, (name, child)) in shown.iter().enumerate() {
        let is_last = at + 1 == shown.len() && others.topics == 0;
        let (branch, further) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let last = match &child.own {
            Some(leaf) => payload(leaf),
            None if depth <= 1 => Cell::styled(topics(child.topics), DIM),
            None => "".into(),
        };
        table.row(row(format!("{indent}{branch}{}", label(name)), child, last));
        if depth > 1 {
            rows(table, child, &format!("{indent}{further}"), depth - 1, most);
        }
    }
    if others.topics > 0 {
        let name = format!("{indent}└─ … {} more", node.below.len() - shown.len());
        table.row(row(name, &others, Cell::styled(topics(others.topics), DIM)));
    }
}

fn row(name: String, node: &Node, last: Cell) -> Vec<Cell> {
    let retained = if node.retained == 0 { String::new() } else { node.retained.to_string() };
    vec![name.into(), node.messages.to_string().into(), retained.into(), last]
}

/// The busiest by name, and all others together.
fn busiest(node: &Node, most: usize) -> (Vec<(&String, &Node)>, Node) {
    let mut shown: Vec<(&String, &Node)> = node.below.iter().collect();
    let mut others = Node::default();
    if shown.len() > most {
        shown.sort_by_key(|(_, child)| std::cmp::Reverse(child.messages));
        for (_, child) in shown.split_off(most) {
            others.messages += child.messages;
            others.retained += child.retained;
            others.topics += child.topics;
        }
        shown.sort_by_key(|(name, _)| *name);
    }
    (shown, others)
}

/// Topics may have levels without a name.
fn label(name: &str) -> String {
    if name.is_empty() { "(empty)".to_owned() } else { visible(name) }
}

fn topics(count: u64) -> String {
    if count == 1 { "1 topic".to_owned() } else { format!("{count} topics") }
}

fn payload(leaf: &Leaf) -> Cell {
    match leaf.last.as_deref() {
        None => Cell::styled("binary", DIM),
        Some("") => Cell::styled("empty", DIM),
        Some(text) => {
            let text = visible(text);
            let cut: String = text.chars().take(PAYLOAD).collect();
            if cut.len() < text.len() { format!("{cut}…").into() } else { text.into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(messages: u64, retained: bool, last: &str) -> Leaf {
        Leaf { messages, retained: u64::from(retained), last: Some(last.to_owned()) }
    }

    fn drawn(leaves: &[(&str, Leaf)], depth: usize, whole: bool) -> Vec<String> {
        let text = draw("#", leaves.iter().cloned(), depth, whole);
        let text = anstream::adapter::strip_str(&text).to_string();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn topics_are_drawn_level_by_level() {
        let leaves = [
            ("device/d1/status", leaf(1, true, "on\nline")),
            ("device/d1", leaf(2, false, "")),
            ("device/d2/alert", leaf(3, false, &"x".repeat(60))),
            ("/odd", leaf(1, false, "1")),
        ];
        let long = format!("{}…", "x".repeat(PAYLOAD));
        let wanted = [
            "#                7         1         4 topics".to_owned(),
            "├─ (empty)       1".to_owned(),
            "│  └─ odd        1                   1".to_owned(),
            "└─ device        6         1".to_owned(),
            "   ├─ d1         3         1         empty".to_owned(),
            r"   │  └─ status  1         1         on\nline".to_owned(),
            "   └─ d2         3".to_owned(),
            format!("      └─ alert   3                   {long}"),
        ];
        assert_eq!(drawn(&leaves, usize::MAX, false), wanted);
        let first = [
            "#           7         1         4 topics",
            "├─ (empty)  1                   1 topic",
            "└─ device   6         1         3 topics",
        ];
        assert_eq!(drawn(&leaves, 1, false), first);
    }

    #[test]
    fn the_busiest_of_a_wide_level_are_shown() {
        let names: Vec<String> = (0..50).map(|number| format!("d{number:02}")).collect();
        let leaves: Vec<(&str, Leaf)> =
            names.iter().zip(0..).map(|(name, n)| (name.as_str(), leaf(n, false, ""))).collect();
        let cut = drawn(&leaves, usize::MAX, false);
        assert_eq!(cut.len(), 1 + WIDE + 1);
        assert!(cut[1].starts_with("├─ d40 ") && cut[WIDE].starts_with("├─ d49 "), "{cut:?}");
        assert!(cut[WIDE + 1].starts_with("└─ … 40 more  780 ") && cut[WIDE + 1].ends_with("40 topics"), "{cut:?}");
        assert_eq!(drawn(&leaves, usize::MAX, true).len(), 1 + 50);
    }
}
