//! KDL to typed specs, with a span on every value.

mod source;

pub use source::{Origin, SourceId, Sources, Span, Spanned};
