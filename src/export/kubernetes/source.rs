//! What the parts of the export are made from.

use super::Settings;
use crate::stack::Stack;

/// The stack, and what only a cluster asks for.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) stack: &'a Stack,
    pub(super) settings: &'a Settings,
}
