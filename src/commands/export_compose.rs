//! `sosstack export compose`

use std::path::Path;

use anyhow::Result;

use super::Context;
use super::export_written::say_written;
use crate::cli::export::ExportComposeArgs;
use crate::export::{compose, directory};
use crate::ui::Ui;

pub(super) fn run(context: &Context, args: &ExportComposeArgs) -> Result<()> {
    let stack = context.load_as_written(args.port_offset, args.profile.map(Into::into))?.stack;
    if args.out == Path::new("-") {
        return Ui::print(&compose::compose_yaml(&stack));
    }
    let written = directory::write(&args.out, &compose::render(&stack), compose::MARK)?;
    if !say_written(context, &args.out, &written)? {
        context.ui.say(&format!("Next: cd {} && docker compose up --wait", args.out.display()));
    }
    Ok(())
}
