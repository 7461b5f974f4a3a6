//! Where a value comes from.

use std::sync::Arc;

use crate::spec::Span;

/// Where a value of a configuration file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a text, from 1: of a file, or of what a template gave.
    Line {
        /// What messages call the text.
        text: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// A value in a spec: an override.
    Spec(Span),
}

impl Place {
    /// The number of the line; none in a spec.
    pub(super) fn number(&self) -> Option<usize> {
        match self {
            Self::Line { line, .. } => Some(*line),
            Self::Spec(_) => None,
        }
    }

    /// A line of a text.
    pub fn line(text: &Arc<str>, line: usize) -> Self {
        Self::Line { text: Arc::clone(text), line }
    }
}

/// A value and where it was written. Compares by value alone.
#[derive(Debug, Clone)]
pub struct Layered<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

impl<T> Layered<T> {
    /// Joins a value with its place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

impl<T: PartialEq> PartialEq for Layered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Layered<T> {}
