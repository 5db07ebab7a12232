//! By what an export knows its own files.

/// What its files say, by which the next export knows its own.
pub const MARK: &str = "Made by sosstack export compose";
