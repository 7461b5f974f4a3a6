//! What is wrong in a spec, and where.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, MietteError, Severity, SourceCode, SourceSpan, SpanContents};

use super::{SourceId, Sources, Span};

/// One mistake of a person, at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where; none where no text is to blame (a folder that cannot be read).
    pub span: Option<Span>,
    /// What is wrong, and why; lower-case.
    pub message: String,
    /// What stands below the underlined text.
    pub label: Box<str>,
    /// Other places that belong to it, each with its label.
    pub also: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
    /// The kind, for programs: `unknown-node`.
    pub code: &'static str,
}

impl Mistake {
    /// A mistake at a place.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let (span, message) = (Some(span), message.into());
        Self { span, message, label: "here".into(), also: Vec::new(), help: None, code }
    }

    /// A mistake that no text is to blame for.
    pub fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), label: "".into(), also: Vec::new(), help: None, code }
    }

    /// With words below the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into().into_boxed_str();
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With advice where there is some.
    #[must_use]
    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// With another place.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }
}

/// All mistakes of a run, in the order of files and lines, each once.
#[derive(Debug, Clone)]
pub struct Mistakes {
    sources: Arc<Sources>,
    list: Vec<Mistake>,
}

impl Mistakes {
    /// Sorts mistakes by file and line and drops repetitions.
    pub fn new(sources: Sources, mut list: Vec<Mistake>) -> Self {
        let place = |mistake: &Mistake| {
            mistake.span.map(|span| (sources.name(span.source).to_owned(), span.start, span.source, span.len))
        };
        list.sort_by_cached_key(|mistake| (place(mistake), mistake.clone()));
        list.dedup();
        Self { sources: Arc::new(sources), list }
    }

    /// The mistakes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The texts that they are in.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// In how many texts there are mistakes.
    pub fn files(&self) -> usize {
        let files: BTreeSet<_> = self.list.iter().filter_map(|mistake| mistake.span.map(|span| span.source)).collect();
        files.len()
    }

    /// `3 mistakes in 2 files`
    pub fn summary(&self) -> String {
        let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        match self.files() {
            0 => plural(self.len(), "mistake"),
            files => format!("{} in {}", plural(self.len(), "mistake"), plural(files, "file")),
        }
    }

    /// One report a mistake, ready to print.
    pub fn reports(&self) -> Vec<miette::Report> {
        self.reports_of(Severity::Error)
    }

    /// The same as warnings, for what stops nothing.
    pub fn warnings(&self) -> Vec<miette::Report> {
        self.reports_of(Severity::Warning)
    }

    fn reports_of(&self, severity: Severity) -> Vec<miette::Report> {
        let report =
            |mistake: &Mistake| Located { sources: Arc::clone(&self.sources), mistake: mistake.clone(), severity };
        self.list.iter().map(|mistake| miette::Report::new(report(mistake))).collect()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

/// A mistake with its text at hand.
#[derive(Debug)]
struct Located {
    sources: Arc<Sources>,
    mistake: Mistake,
    severity: Severity,
}

impl Located {
    fn source(&self) -> Option<SourceId> {
        self.mistake.span.map(|span| span.source)
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake.message)
    }
}

impl std::error::Error for Located {}

impl Diagnostic for Located {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    /// Places in other files cannot be underlined in this one: they are named here.
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let elsewhere = self.mistake.also.iter().filter(|(span, _)| Some(span.source) != self.source());
        let mut lines: Vec<String> =
            elsewhere.map(|(span, label)| format!("{label}: {}", self.sources.place(*span))).collect();
        lines.extend(self.mistake.help.clone());
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.mistake.span.map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.mistake.span?;
        let here = (span, self.mistake.label.to_string());
        let others = self.mistake.also.iter().filter(move |(other, _)| other.source == span.source).cloned();
        Some(Box::new(std::iter::once(here).chain(others).map(|(span, label)| {
            LabeledSpan::new((!label.is_empty()).then_some(label), span.start as usize, span.len as usize)
        })))
    }
}

impl SourceCode for Located {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let source = self.source().ok_or(MietteError::OutOfBounds)?;
        let inner = self.sources.text(source).read_span(span, before, after)?;
        let mut column = inner.column();
        if before == 0
            && let (Ok(start), Ok(len)) = (u32::try_from(span.offset()), u32::try_from(span.len()))
        {
            // Asked only for the heading's line and column: characters, where miette counts bytes.
            column = self.sources.line_column(Span { source, start, len }).1.saturating_sub(1);
        }
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.sources.name(source).to_owned(),
            inner.data(),
            *inner.span(),
            inner.line(),
            column,
            inner.line_count(),
        )))
    }
}
