//! `wharf man`: manual pages from the command line's own description.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use miette::IntoDiagnostic;

use super::{CommandLine, Exit, Failure, Global};
use crate::ui::Screen;

/// Arguments of `wharf man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wharf man | man -l -\n  wharf man --to /usr/local/share/man/man1")]
pub struct Arguments {
    /// Write one page for each verb into this folder instead of printing the first
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints `wharf(1)`, or writes all pages.
pub fn run(arguments: Arguments, _global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let pages = match &arguments.to {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(CommandLine::command(), folder))
            .map(|()| None),
        None => page(),
    };
    if let Some(page) = pages.into_diagnostic().map_err(|report| Failure { reports: vec![report], code: 1 })? {
        screen.out(&page);
    }
    Ok(Exit::Done)
}

fn page() -> io::Result<Option<String>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(CommandLine::command()).render(&mut page)?;
    Ok(Some(String::from_utf8_lossy(&page).into_owned()))
}
