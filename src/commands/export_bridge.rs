//! What an export's bridge does, from arguments.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::bridge::routes::Routes;
use crate::cli::export::BridgeArgs;
use crate::export::bridge::Behaviour;
use crate::stack::Stack;

/// A container that ends at once for its routes would be noticed later.
pub(super) fn behaviour(args: &BridgeArgs, stack: &Stack) -> Result<Behaviour> {
    let BridgeArgs { bridge_image, bridge_routes, bridge_emergency_status } = args;
    Ok(Behaviour {
        image: bridge_image.clone(),
        routes: bridge_routes.as_deref().map(|file| routes(file, stack)).transpose()?,
        emergency_status: *bridge_emergency_status,
    })
}

/// The text of a routes file that is valid for the stack.
fn routes(file: &Path, stack: &Stack) -> Result<String> {
    Routes::load(Some(file), stack)?;
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}
