//! What a command is about: the stack or cluster that the next command must name to mean the same one.

use std::fmt;

/// A stack of this machine, another cluster, or this machine as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    title: String,
    options: String,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Machine,
    Stack,
    Elsewhere,
}

impl About {
    /// Nothing that has to be named: caches, contexts, Docker itself.
    pub fn this_machine() -> Self {
        Self { title: "this machine".to_owned(), options: String::new(), place: Place::Machine }
    }

    /// A stack of this machine; `options` name it after a command, empty for the default one.
    pub fn stack(title: String, options: String) -> Self {
        Self { title, options, place: Place::Stack }
    }

    /// A cluster elsewhere; `options` name it after a command.
    pub fn elsewhere(title: String, options: String) -> Self {
        Self { title, options, place: Place::Elsewhere }
    }

    /// Whether it is not a stack of this machine, so that `up`, `status` and `logs` cannot help.
    pub fn is_elsewhere(&self) -> bool {
        self.place == Place::Elsewhere
    }

    /// A command of ours as it has to be typed: `up` becomes `sosstack up --stack other`.
    pub fn command(&self, words: &str) -> String {
        format!("sosstack {words}{}", self.options)
    }

    /// What to type is all there is to say.
    pub fn remedy(&self, command: &str) -> Remedy {
        Remedy(self.command(command))
    }
}

impl fmt::Display for About {
    /// For people: `stack other`, `context prod (kafka.example.org:9092)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

/// What the user can do: a sentence or a command to type.
///
/// Commands of ours come from an [`About`], so that none can forget whom it is about; `tests/sources.rs` holds that no
/// literal spells one out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Remedy(String);

impl Remedy {
    /// Advice in words; commands in it come from [`About::command`].
    pub fn words(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// More words after it.
    #[must_use]
    pub fn then(self, words: &str) -> Self {
        Self(self.0 + words)
    }

    /// Several ways out, each on a line of its own.
    pub fn either(remedies: impl IntoIterator<Item = Self>) -> Self {
        Self(remedies.into_iter().map(|remedy| remedy.0).collect::<Vec<_>>().join("\n  or: "))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_what_it_is_about() {
        let other = About::stack("stack other".to_owned(), " --stack other".to_owned());
        assert_eq!(other.command("down --volumes"), "sosstack down --volumes --stack other");
        assert_eq!(About::this_machine().command("prune"), "sosstack prune");
        let ways = Remedy::either([other.remedy("up").then(" heals it"), Remedy::words("wait")]);
        assert_eq!(ways.as_str(), "sosstack up --stack other heals it\n  or: wait");
    }
}
