//! What a cluster says: its pods, and what programs in their containers answered.

/// A pod as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub ready: bool,
    /// Why it is not ready; empty otherwise.
    pub why: String,
}

/// What a program in a container said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}
