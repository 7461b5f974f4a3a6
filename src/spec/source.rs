//! The texts that specs are read from, and places in them.

use std::fmt;
use std::ops::Deref;

/// Which text of a [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A place in a source: byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

/// A value and where a person wrote it. Compares by value alone.
#[derive(Clone)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// Where a source comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The project itself.
    Project,
    /// An import, by the text that the project imports it with: `catalogue`, `../other`.
    Import(String),
}

/// Every text that was read in this run, with the name to print for it.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Source>,
}

#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: String,
    origin: Origin,
}

impl Sources {
    /// Adds a text. `name` is what messages call it: a path relative to the project, `catalogue:specs/…`.
    pub fn add(&mut self, name: String, text: String, origin: Origin) -> SourceId {
        let id = SourceId(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(Source { name, text, origin });
        id
    }

    fn get(&self, id: SourceId) -> Option<&Source> {
        self.texts.get(id.0 as usize)
    }

    /// What messages call the source.
    pub fn name(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.name)
    }

    /// The whole text.
    pub fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.text)
    }

    /// Where the source comes from.
    pub fn origin(&self, id: SourceId) -> &Origin {
        self.get(id).map_or(&Origin::Project, |source| &source.origin)
    }

    /// Line and column of a place, both from 1; the column counts characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let before = self.text(span.source).get(..span.start as usize).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.get(line_start..).unwrap_or("").chars().count() + 1)
    }

    /// `specs/images/base.kdl:3:5`, for plain lines.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.line_column(span);
        format!("{}:{line}:{column}", self.name(span.source))
    }
}
