//! KDL to nodes with a span on every value, and the kit that reads values out of them.
//!
//! What the nodes mean is [`crate::estate`]'s business; here are texts, places, mistakes and shapes.

mod layout;
mod lex;
mod mistake;
mod nearest;
mod node;
mod parse;
mod read;
mod source;
mod text;

pub use layout::format;
pub use lex::MAX_DEPTH;
pub use mistake::{Mistake, Mistakes};
pub use nearest::{did_you_mean, nearest};
pub use node::{Node, Property, Scalar, Value};
pub use parse::parse;
pub use read::{FromValue, Log, Reader, from_text, integer, unknown_child};
pub use source::{Origin, SourceId, Sources, Span, Spanned};
pub use text::{Expansion, Reference, expand, has_reference};
