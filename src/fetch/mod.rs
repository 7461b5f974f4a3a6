//! HTTP, and the cache on disk that many processes share.

mod cache;
mod prune;

pub use cache::{Area, Cache, CacheError};
pub use prune::CachePruned;
