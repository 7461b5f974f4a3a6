//! `wharf completions`: a completion script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{CommandLine, Exit, Failure, Global};
use crate::ui::Screen;

/// Arguments of `wharf completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wharf completions bash > ~/.local/share/bash-completion/completions/wharf")]
pub struct Arguments {
    /// For this shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: Arguments, _global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "wharf", &mut script);
    screen.out(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
