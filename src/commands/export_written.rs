//! What writing an export's directory came to.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Context;
use crate::export::directory::Written;
use crate::ui::Ui;

/// Says what writing came to; whether that was all, as a machine wants to know it.
pub(super) fn say_written(context: &Context, out: &Path, written: &Written) -> Result<bool> {
    if context.ui.is_json() {
        let Written { changed, unchanged, removed } = written;
        Ui::print_json(&json!({ "out": out, "changed": changed, "unchanged": unchanged, "removed": removed }))?;
        return Ok(true);
    }
    context.ui.say(&format!("{}: {}", out.display(), written.in_words()));
    Ok(false)
}
