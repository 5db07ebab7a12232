//! Java properties files.

use std::fmt::{Display, Write};

/// `key=value` lines in the order in which they were set; a key set again takes the new value.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    entries: Vec<(String, String)>,
}

impl Properties {
    /// Sets one property.
    pub fn set(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        let (key, value) = (key.into(), value.to_string());
        match self.entries.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
        self
    }

    /// The file's text, in ASCII and escaped as `java.util.Properties` reads it: it takes a file for Latin-1.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.entries {
            writeln!(text, "{}={}", escaped(key, " =:#!"), escaped(value, "")).expect("writing to a string succeeds");
        }
        text
    }
}

/// Blanks at the beginning would be skipped, `special` would end a key or make it a comment.
fn escaped(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, letter) in text.chars().enumerate() {
        match letter {
            '\n' => escaped.push_str("\\n"),
            '\\' => escaped.push_str("\\\\"),
            ' ' if at == 0 => escaped.push_str("\\ "),
            letter if special.contains(letter) => escaped.extend(['\\', letter]),
            ' '..='~' => escaped.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").expect("writing to a string succeeds");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::Properties;

    #[test]
    fn a_key_set_again_keeps_its_place_and_takes_the_new_value() {
        let mut properties = Properties::default();
        properties.set("a", 1).set("b", 2).set("a", "x\\y\nz");
        assert_eq!(properties.render(), "a=x\\\\y\\nz\nb=2\n");
    }
    #[test]
    fn what_java_would_read_otherwise_is_escaped() {
        let line = |key: &str, value: &str| Properties::default().set(key, value).render();
        assert_eq!(line("log.dirs", "/home/jürgen/💾"), "log.dirs=/home/j\\u00fcrgen/\\ud83d\\udcbe\n");
        assert_eq!(line("a b:c=d", " x = y: z #1"), "a\\ b\\:c\\=d=\\ x = y: z #1\n");
        assert_eq!(line("#a!", "\tx\r"), "\\#a\\!=\\u0009x\\u000d\n");
    }
}
