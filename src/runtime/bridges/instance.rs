//! One bridge, as it is to be and as it is.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::runtime::State;
use crate::stack::Bridge;

/// What a bridge is started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub program: PathBuf,
    /// Without the one that names its log. No secret is among them.
    pub arguments: Vec<String>,
    /// Where it serves metrics and health.
    pub port: u16,
    /// Differs wherever another start would make another bridge: by its arguments, what they name, or the program.
    pub hash: String,
}

/// A bridge that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub bridge: Bridge,
    /// Of the [`Launch`] that it was made from.
    pub hash: String,
    pub port: u16,
    pub state: State,
    /// Somebody has asked it to end; it may be about to.
    pub stopped: bool,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// None where it does not run.
    pub pid: Option<u32>,
}
