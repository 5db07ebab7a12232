//! Whose devices are whose, as `sosstack bridge` asks.

use std::path::Path;

use anyhow::Result;

use super::super::Context;
use crate::bridge::owners::Owners;
use crate::secrets::Accounts;
use crate::stack::Stack;

/// To whom devices belong: by the stack file, and by those that were enrolled since.
pub(super) fn owners(context: &Context, stack: &Stack) -> Result<Owners> {
    owners_in(&context.paths.stack(&stack.name), stack)
}

/// As [`owners`], from the directory of the stack.
pub(super) fn owners_in(stack_dir: &Path, stack: &Stack) -> Result<Owners> {
    let named = stack.devices.iter().map(|device| (device.id.clone(), device.owner.clone()));
    let enrolled = Accounts::read(stack_dir)?.into_iter().flat_map(|accounts| accounts.devices);
    Ok(named.chain(enrolled.map(|(id, enrolled)| (id, enrolled.owner))).collect())
}
