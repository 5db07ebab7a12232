//! `sosstack config`

use anyhow::Result;

use super::Context;
use crate::cli::ConfigArgs;
use crate::stack::load;
use crate::ui::Ui;

pub(super) async fn run(context: &Context, args: &ConfigArgs) -> Result<()> {
    if args.schema {
        return Ui::print(&format!("{}\n", load::json_schema()));
    }
    let (stack, _) = context.existing().await?;
    if context.ui.is_json() { Ui::print_json(&stack) } else { Ui::print(&load::to_yaml(&stack)) }
}
