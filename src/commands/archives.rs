//! Archives of classes, by which the next start is faster: made in the background, once.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::Context;
use crate::runtime::archives::{Archives, make_missing};
use crate::stack::StackName;

/// Others go first: 19 is the lowest priority that there is.
const NICENESS: i32 = 19;

pub(super) async fn run(context: &Context) -> Result<()> {
    let _ = rustix::process::nice(NICENESS);
    let (stack, found) = context.running().await?;
    make_missing(&*found.runtime, &stack.name).await
}

/// Starts the work and leaves it alone: whether it succeeds only decides how fast the next start is.
pub(super) async fn make_in_background(context: &Context, archives: &dyn Archives, stack: &StackName) {
    let missing = archives.missing_archives(stack).await.unwrap_or_default();
    let (false, Ok(program)) = (missing.is_empty(), std::env::current_exe()) else { return };
    let mut command = Command::new(program);
    command.args(["--quiet", "--stack", stack.as_str()]);
    if let Some(file) = &context.global.file {
        command.arg("--file").arg(file);
    }
    let quiet = command.arg("make-archives").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: Ctrl-C in this terminal is not meant for it.
    let _ = quiet.process_group(0).spawn();
}
