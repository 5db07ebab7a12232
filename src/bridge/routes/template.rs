//! Keys and headers of a route: text in which `{device}` stands for a part of the topic.

use super::filter::Parts;
use crate::similar::similar;

/// What a text consists of, once it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Part(usize),
    Owner,
    Emergency,
}

/// What the names of one message stand for.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub parts: &'a Parts<'a>,
    /// The user to whom the device belongs, or the user of the topic.
    pub owner: Option<&'a str>,
    /// None where the message is not an emergency.
    pub emergency: Option<&'a str>,
}

impl Template {
    /// `parts` are the names of the filter's levels.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, parts: &[String], is_emergency: bool) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a { has no matching }")?;
            literal(before, &mut pieces)?;
            pieces.push(piece(name, parts, is_emergency)?);
            rest = after;
        }
        literal(rest, &mut pieces)?;
        Ok(Self(pieces))
    }

    /// Appends the text of one message.
    ///
    /// # Errors
    /// Which name stands for nothing.
    pub fn write(&self, names: &Names<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        for piece in &self.0 {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Part(index) => names.parts.get(*index),
                Piece::Owner => names.owner.ok_or("the owner is not known")?,
                Piece::Emergency => names.emergency.ok_or("it is not an emergency")?,
            };
            out.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

fn literal(text: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    if text.contains('}') {
        return Err("a } has no matching {".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(())
}

fn piece(name: &str, parts: &[String], is_emergency: bool) -> Result<Piece, String> {
    if let Some(index) = parts.iter().position(|part| part == name) {
        return Ok(Piece::Part(index));
    }
    match name {
        "owner" => return Ok(Piece::Owner),
        "emergency" if is_emergency => return Ok(Piece::Emergency),
        "emergency" => return Err("{emergency} is for routes with emergency: true".to_owned()),
        _ => {}
    }
    let emergency = is_emergency.then_some("emergency");
    let known: Vec<&str> = parts.iter().map(String::as_str).chain(["owner"]).chain(emergency).collect();
    let hint = match similar(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {{{meant}}}?"),
        None => format!("there are {}", known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")),
    };
    Err(format!("the filter has no {{{name}}}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::routes::filter::Filter;

    #[test]
    fn names_stand_for_parts_of_the_topic() {
        let filter = Filter::parse("a/{device}/{kind}").unwrap();
        let parts = filter.fit("a/d-1/x").unwrap();
        let text = |text: &str, owner: Option<&str>| {
            let template = Template::parse(text, filter.parts(), true).unwrap();
            let mut out = Vec::new();
            template.write(&Names { parts: &parts, owner, emergency: Some("e") }, &mut out)?;
            Ok::<_, &str>(String::from_utf8(out).unwrap())
        };
        assert_eq!(text("{device}", None).unwrap(), "d-1");
        assert_eq!(text("<{kind}-{owner}>{emergency}", Some("u")).unwrap(), "<x-u>e");
        assert_eq!(text("", None).unwrap(), "");
        assert_eq!(text("{owner}", None), Err("the owner is not known"));
    }

    #[test]
    fn what_a_filter_does_not_name_is_said() {
        let words = |text: &str| Template::parse(text, &["device".to_owned()], false).unwrap_err();
        assert_eq!(words("{devise}"), "the filter has no {devise}; did you mean {device}?");
        assert_eq!(words("{place}"), "the filter has no {place}; there are {device}, {owner}");
        assert!(words("{emergency}").contains("emergency: true"));
        assert!(words("{device").contains("no matching }"));
        assert!(words("device}").contains("no matching {"));
    }
}
