//! Variables of the environment in the values of a stack file, by the rules of Compose files.
//!
//! `$NAME` and `${NAME}` are the variable's value, `${NAME:-default}` and `${NAME-default}` have another one for when it is
//! not set, `${NAME:?words}` and `${NAME?words}` say why it has to be, `${NAME:+other}` and `${NAME+other}` are another
//! value where it is. With the colon, a variable that is empty counts as not set. `$$` is a dollar sign.
//! <https://docs.docker.com/reference/compose-file/interpolation/>

use serde_yaml::Value;

use super::positions::Positions;
use super::shape::Problem;

/// The value of a variable, if it is set.
pub(super) type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts their values in the place of variables. What comes of a value without quotes is read as if it stood in the file:
/// `${PORT}` may be a number.
pub(super) fn fill_in(value: &mut Value, positions: &Positions, look_up: LookUp<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(value, "", &mut |path, value| {
        let Value::String(text) = value else { return };
        match substitute(text, look_up) {
            Ok(filled) if filled == *text => {}
            Ok(filled) if positions.is_quoted(path) => *text = filled,
            Ok(filled) => *value = plain(filled),
            Err(words) => problems.push(Problem { path: path.to_owned(), words }),
        }
    });
    problems
}

/// Doubles each dollar sign, so that it is one again when the file is read.
pub(super) fn escape(value: &mut Value) {
    walk(value, "", &mut |_, value| {
        if let Value::String(text) = value {
            *text = text.replace('$', "$$");
        }
    });
}

fn walk(value: &mut Value, path: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::Mapping(entries) => {
            for (key, inner) in entries.iter_mut() {
                let key = key.as_str().unwrap_or_default();
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                walk(inner, &path, visit);
            }
        }
        Value::Sequence(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                walk(inner, &format!("{path}[{index}]"), visit);
            }
        }
        _ => visit(path, value),
    }
}

/// A number, a truth value or text, as YAML has it.
fn plain(text: String) -> Value {
    match serde_yaml::from_str(&text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text),
    }
}

fn substitute(text: &str, look_up: LookUp<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
            continue;
        }
        let (value, after) = if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| format!("\"${{{inner}\" has no closing brace"))?;
            (braced(&inner[..end], look_up)?, &inner[end + 1..])
        } else {
            let (name, after) = after.split_at(name_length(after));
            (required(name, look_up(name))?, after)
        };
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Where the brace closes that was opened before; defaults may hold variables too.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What stands between braces: a name, and what holds where it is not set, or is.
fn braced(inner: &str, look_up: LookUp<'_>) -> Result<String, String> {
    let (name, rule) = inner.split_at(name_length(inner));
    let (set, rule) = match rule.strip_prefix(':') {
        Some(rule) => (look_up(name).filter(|value| !value.is_empty()), rule),
        None => (look_up(name), rule),
    };
    let mut letters = rule.chars();
    match (letters.next(), set) {
        _ if name.is_empty() => Err(no_name()),
        (None, set) if !inner.ends_with(':') => required(name, set),
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('-'), None) | (Some('+'), Some(_)) => substitute(letters.as_str(), look_up),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) if letters.as_str().is_empty() => required(name, None),
        (Some('?'), None) => Err(format!("the variable {name} is not set: {}", letters.as_str())),
        _ => Err(format!("\"${{{inner}}}\" is not a variable: write ${{{name}}} or ${{{name}:-default}}")),
    }
}

fn required(name: &str, value: Option<String>) -> Result<String, String> {
    if name.is_empty() {
        return Err(no_name());
    }
    value.ok_or_else(|| format!("the variable {name} is not set; set it, or write ${{{name}:-default}}"))
}

fn no_name() -> String {
    "a dollar sign begins the name of a variable; write $$ for the sign itself".to_owned()
}

/// How many bytes of a text are a variable's name.
fn name_length(text: &str) -> usize {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if begins { end } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, String> {
        let look_up = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        substitute(text, &look_up)
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, filled) in [
            ("plain", "plain"),
            ("$SET/${SET}x", "value/valuex"),
            ("$$SET costs 5$$", "$SET costs 5$"),
            ("${EMPTY}|${EMPTY:-d}|${EMPTY-d}", "|d|"),
            ("${NONE:-a:b}|${NONE-}|${SET:-d}", "a:b||value"),
            ("${NONE:-${EMPTY:-${SET}}}", "value"),
            ("${SET:+yes}|${NONE:+yes}|${EMPTY:+yes}|${EMPTY+yes}", "yes|||yes"),
            ("${SET:?needed}|${EMPTY?needed}", "value|"),
        ] {
            assert_eq!(of(text).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (text, words) in [
            ("$NONE", "the variable NONE is not set"),
            ("${NONE}", "${NONE:-default}"),
            ("${EMPTY:?say where}", "EMPTY is not set: say where"),
            ("${NONE?}", "the variable NONE is not set; set it"),
            ("5 $", "write $$"),
            ("${}", "write $$"),
            ("${SET", "no closing brace"),
            ("${SET!x}", "not a variable"),
            ("${SET:}", "not a variable"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
