//! `sosstack completions`

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::ui::Ui;

pub(super) fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sosstack", &mut script);
    Ui::print(&String::from_utf8(script)?)
}
