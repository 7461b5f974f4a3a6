//! Which images, in which order: the orchestrator of lock and build.

mod select;

pub use select::{Request, SelectError, select};
