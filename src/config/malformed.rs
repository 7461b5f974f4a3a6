//! What is wrong in a text that should be of a format.

/// A text that is not of its format: where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1; none where the whole line is to blame.
    pub column: Option<usize>,
    /// What is wrong; lower-case.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The line of what it clashes with: the first of two keys.
    pub first: Option<usize>,
}

impl Malformed {
    /// A line that is wrong as a whole.
    pub fn line(line: usize, message: impl Into<String>) -> Self {
        Self { line, column: None, message: message.into(), help: None, first: None }
    }

    /// A place in a line.
    pub fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column: Some(column), message: message.into(), help: None, first: None }
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
