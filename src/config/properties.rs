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

    /// The file's text. Backslashes and line breaks are escaped as `java.util.Properties` reads them.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.entries {
            let value = value.replace('\\', "\\\\").replace('\n', "\\n");
            writeln!(text, "{key}={value}").expect("writing to a string succeeds");
        }
        text
    }
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
}
