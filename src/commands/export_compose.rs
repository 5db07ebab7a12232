//! `sosstack export compose`

use std::path::Path;

use anyhow::Result;

use super::{Context, export_bridge};
use crate::cli::export::ExportComposeArgs;
use crate::export::{compose, directory};
use crate::ui::Ui;

pub(super) fn run(context: &Context, args: &ExportComposeArgs) -> Result<()> {
    let stack = context.load_as_written(args.port_offset, args.profile.map(Into::into))?.stack;
    let bridge = export_bridge::behaviour(&args.bridge_as, &stack)?;
    if args.out == Path::new("-") {
        return Ui::print(&compose::compose_yaml(&stack, &bridge));
    }
    let written = directory::write(&args.out, &compose::render(&stack, &bridge), compose::MARK)?;
    context.ui.conclude(&written, |written| {
        let out = written.out.display();
        format!("{out}: {}\nNext: cd {out} && docker compose up --wait", written.in_words())
    })
}
