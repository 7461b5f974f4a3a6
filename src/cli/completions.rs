//! `wharf completions`.

use super::{Exit, Failure, Global};
use crate::ui::Screen;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments, _global: &Global, _screen: &Screen) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
