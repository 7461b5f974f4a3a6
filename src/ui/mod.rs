//! What people see: diagnostics, tables, progress. Standard output is for results, standard error for the rest.

mod board;
mod progress;
mod table;

use std::io::{self, IsTerminal, Write};

pub use board::{Board, Mark};
pub use progress::{Bars, size};
pub use table::{markdown, table};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where a run prints, and how.
#[derive(Debug)]
pub struct Screen {
    color: bool,
    quiet: bool,
    terminal: bool,
}

impl Screen {
    /// For this process's streams.
    pub fn new(color: Color, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self { color, quiet, terminal }
    }

    /// Prints a result, as it is, on standard output. A closed pipe is no error.
    pub fn out(&self, text: &str) {
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }

    /// Prints bytes as they are on standard output, past its buffer: what is printed may be a secret.
    pub fn bytes(&self, bytes: &[u8]) {
        use std::os::fd::AsFd as _;
        if let Ok(stdout) = io::stdout().as_fd().try_clone_to_owned() {
            let _ = std::fs::File::from(stdout).write_all(bytes);
        }
    }

    /// Prints a JSON document on standard output.
    pub fn document(&self, document: &impl serde::Serialize) {
        // Only maps with keys that are no texts cannot be written, and no document has one.
        if let Ok(mut text) = serde_json::to_string_pretty(document) {
            text.push('\n');
            self.out(&text);
        }
    }

    /// Prints a line for a person on standard error, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Prints a question on standard error, quiet or not; its line does not end.
    pub fn ask(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }

    /// A live table, where this screen is a terminal that shows more than results.
    pub fn board(&self, hosts: &[&str], phases: &[&'static str]) -> Option<Board> {
        (self.terminal && !self.quiet).then(|| Board::new(hosts, phases))
    }

    /// Progress for this screen.
    pub fn progress(&self) -> Bars {
        Bars::new(self.terminal, self.quiet)
    }

    /// Prints a diagnostic on standard error.
    pub fn report(&self, report: &miette::Report) {
        let theme =
            if self.color { miette::GraphicalTheme::unicode() } else { miette::GraphicalTheme::unicode_nocolor() };
        let theme = if self.terminal || self.color { theme } else { miette::GraphicalTheme::none() };
        let mut text = String::new();
        let handler = miette::GraphicalReportHandler::new_themed(theme);
        // Most messages say their cause themselves.
        let message = report.to_string();
        let said = report.chain().skip(1).all(|cause| message.contains(&cause.to_string()));
        let handler = if said { handler.without_cause_chain() } else { handler };
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }
}
