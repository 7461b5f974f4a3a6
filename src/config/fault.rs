//! A mistake in a template, with the place underlined.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A mistake in a template or in what it gave, at a place of a text.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The kind, for programs: `undefined`.
    pub code: &'static str,
    /// What is wrong; lower-case.
    pub message: String,
    /// What stands below the underlined text.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// The text to blame, by the name that messages call it; none where no text is.
    source: Option<NamedSource<Arc<str>>>,
    range: Range<usize>,
}

impl Fault {
    /// A mistake that no text is to blame for.
    pub(super) fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), label: String::new(), help: None, source: None, range: 0..0 }
    }

    /// A mistake in the bytes `range` of a text.
    pub(super) fn at(
        code: &'static str,
        message: impl Into<String>,
        name: &str,
        text: &Arc<str>,
        range: Range<usize>,
    ) -> Self {
        let source = Some(NamedSource::new(name, Arc::clone(text)));
        // Columns past the end of a text would keep the whole report from being drawn.
        let end = range.end.min(text.len());
        let range = range.start.min(end)..end;
        Self { source, range, label: "here".to_owned(), ..Self::nowhere(code, message) }
    }

    /// With words below the underlined text.
    #[must_use]
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With advice where there is some.
    #[must_use]
    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// As it is for people who do not know where the texts lie: under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        let named = |source: NamedSource<Arc<str>>| NamedSource::new(name(source.name()), Arc::clone(source.inner()));
        self.source = self.source.map(named);
        self
    }

    /// What messages call the text to blame, and the line in it, from 1.
    pub fn place(&self) -> Option<(&str, usize)> {
        let source = self.source.as_ref()?;
        let before = source.inner().get(..self.range.start)?;
        Some((source.name(), before.bytes().filter(|byte| *byte == b'\n').count() + 1))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let label = (!self.label.is_empty()).then(|| self.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(label, self.range.start, self.range.len()))))
    }
}
