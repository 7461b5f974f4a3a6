//! Registries: so far the read-only one that hosts pull through (OCI distribution spec 1.1, "Pull").

mod serve;

pub use serve::{Served, serve};
