//! HTTP, and the cache on disk that many processes share.

mod cache;

pub use cache::{Area, Cache, CacheError};
