//! `sosstack export compose`

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::cli::export::ExportComposeArgs;
use crate::export::{compose, directory};
use crate::ui::Ui;

pub(super) fn run(context: &Context, args: &ExportComposeArgs) -> Result<()> {
    let stack = context.load_as_written(args.port_offset, args.profile.map(Into::into))?.stack;
    if args.out == Path::new("-") {
        return Ui::print(&compose::compose_yaml(&stack));
    }
    let files = compose::render(&stack);
    directory::write(&args.out, &files, compose::MARK)?;
    let paths: Vec<PathBuf> = files.into_iter().map(|file| args.out.join(file.path)).collect();
    if context.ui.is_json() {
        return Ui::print_json(&json!({ "directory": args.out, "files": paths }));
    }
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    context.ui.say(&format!("Wrote {}.", names.join(", ")));
    context.ui.say(&format!("Next: cd {} && docker compose up --wait", args.out.display()));
    Ok(())
}
