//! Configuration files: templates rendered, INI, YAML and JSON read, merged and written, and where each value comes from.
//!
//! Pure functions: the same input gives the same bytes. Nothing here reads a file, the clock, the environment or a secret.
//! See docs/design/config.md for what was chosen and why.

mod check;
pub mod document;
mod fault;
mod file;
pub mod ini;
mod malformed;
mod place;
mod secret;
mod template;
#[cfg(test)]
mod tests;

pub use crate::estate::{Format, UnknownFormat};
pub use fault::Fault;
pub use file::{File, Layer, Misfit, Refusal, Setting};
pub use malformed::Malformed;
pub use place::{Layered, Place};
pub use secret::{Lookup, RevealError, masked};
pub use template::{Context, Forged, Rendered, Shared, Source, Templates};
