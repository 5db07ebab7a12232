//! Whom the built-in stack is for.

/// What the built-in stack is meant for. What the file says holds for both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Laptop,
    Cluster,
}
