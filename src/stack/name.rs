//! The stack's name: part of container, volume and directory names, so its alphabet is theirs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::About;

/// 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter and not ending in `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct StackName(String);

/// The name of a stack that nobody named.
const DEFAULT: &str = "sos";

impl StackName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What has to follow a command so that it means this stack: ` --stack NAME`, nothing for the default one.
    pub fn flag(&self) -> String {
        if self.0 == DEFAULT { String::new() } else { format!(" --stack {self}") }
    }

    /// Another stack than the command was run for: named even where it is the default one, as a variable or a stack file
    /// may name the command's own.
    pub fn about_another(&self) -> About {
        About::stack(format!("stack {self}"), format!(" --stack {self}"))
    }

    /// This stack, for commands and confirmations that are about it.
    pub fn about(&self) -> About {
        About::stack(format!("stack {self}"), self.flag())
    }
}

impl FromStr for StackName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first_is_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        let alphabet = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if first_is_letter && text.chars().all(alphabet) && !text.ends_with('-') && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a valid stack name: use 1 to 32 of a-z, 0-9 and '-', beginning with a letter and not \
                 ending in '-'"
            ))
        }
    }
}

impl TryFrom<String> for StackName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StackName> for String {
    fn from(name: StackName) -> Self {
        name.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
