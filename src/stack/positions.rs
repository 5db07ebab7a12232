//! Where in a YAML file each entry stands.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Positions by path (`topics[0].name`): of the key in a mapping, of the item in a list.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    by_path: HashMap<String, Position>,
    /// Keys that stand twice in one mapping, with the second one's position.
    pub(crate) duplicates: Vec<(String, Position)>,
    pub(crate) documents: usize,
    /// Paths of values in quotes, or in a block: text, whatever it looks like.
    quoted: HashSet<String>,
}

enum Frame {
    /// The path, and the key whose value comes next.
    Mapping {
        path: String,
        key: Option<String>,
        seen: HashSet<String>,
    },
    Sequence {
        path: String,
        next: usize,
    },
}

impl Positions {
    /// Reads the file as far as it is YAML; what is wrong with it is somebody else's finding.
    pub(crate) fn of(text: &str) -> Self {
        let mut positions = Self::default();
        let mut frames: Vec<Frame> = Vec::new();
        for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
            match event {
                Event::DocumentStart(_) => positions.documents += 1,
                Event::Scalar(scalar, style, ..) => {
                    if !positions.key(&mut frames, &scalar, span) {
                        let path = positions.value(&mut frames, span);
                        if style != ScalarStyle::Plain {
                            positions.quoted.insert(path);
                        }
                    }
                }
                Event::Alias(_) => drop(positions.value(&mut frames, span)),
                Event::MappingStart(..) => {
                    let path = positions.value(&mut frames, span);
                    frames.push(Frame::Mapping { path, key: None, seen: HashSet::new() });
                }
                Event::SequenceStart(..) => {
                    let path = positions.value(&mut frames, span);
                    frames.push(Frame::Sequence { path, next: 0 });
                }
                Event::MappingEnd | Event::SequenceEnd => drop(frames.pop()),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        positions
    }

    /// The entry's position, or that of the nearest one around it that is in the file.
    pub(crate) fn find(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(position) = self.by_path.get(path) {
                return Some(*position);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Whether a value is text by the way it is written.
    pub(crate) fn is_quoted(&self, path: &str) -> bool {
        self.quoted.contains(path)
    }

    /// Whether the file itself has this entry.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// Takes a scalar as a key, if that is what comes next.
    fn key(&mut self, frames: &mut [Frame], scalar: &str, span: Span) -> bool {
        let Some(Frame::Mapping { path, key: key @ None, seen }) = frames.last_mut() else { return false };
        let entry = if path.is_empty() { scalar.to_owned() } else { format!("{path}.{scalar}") };
        if !seen.insert(scalar.to_owned()) {
            self.duplicates.push((entry.clone(), position(span)));
        }
        self.by_path.entry(entry).or_insert_with(|| position(span));
        *key = Some(scalar.to_owned());
        true
    }

    /// The path of the value that begins here.
    fn value(&mut self, frames: &mut [Frame], span: Span) -> String {
        match frames.last_mut() {
            None => String::new(),
            Some(Frame::Mapping { path, key, .. }) => {
                let key = key.take().unwrap_or_default();
                if path.is_empty() { key } else { format!("{path}.{key}") }
            }
            Some(Frame::Sequence { path, next }) => {
                let item = format!("{path}[{next}]");
                *next += 1;
                self.by_path.insert(item.clone(), position(span));
                item
            }
        }
    }
}

fn position(span: Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_where_it_stands() {
        let text = "name: a\ntopics:\n  - name: x\n    partitions: 3\n  - {name: y}\nkafka:\n  heap: 1G\n";
        let positions = Positions::of(text);
        let at = |path: &str| positions.find(path).map(|p| (p.line, p.column));
        assert_eq!(at("name"), Some((1, 1)));
        assert_eq!(at("topics[0].partitions"), Some((4, 5)));
        assert_eq!(at("topics[1].name"), Some((5, 6)));
        assert_eq!(at("kafka.heap"), Some((7, 3)));
        assert_eq!(at("kafka.heap.deeper"), Some((7, 3)), "the nearest one around it");
        assert_eq!(at("mosquitto"), None);
    }

    #[test]
    fn a_key_that_stands_twice_is_noticed() {
        let positions = Positions::of("kafka:\n  heap: 1G\n  heap: 2G\n");
        assert_eq!(positions.duplicates, [("kafka.heap".to_owned(), Position { line: 3, column: 3 })]);
    }
}
