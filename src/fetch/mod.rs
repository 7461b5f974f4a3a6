//! HTTP, and the cache on disk that many processes share.

mod cache;
mod error;
mod http;
mod location;
mod login;
mod prune;
mod threads;

pub use cache::{Area, Cache, CacheError};
pub use error::FetchError;
pub use http::{Fetched, Http, HttpSettings, Proxies, Wanted};
pub use location::{Location, LocationError};
pub use login::Logins;
pub use prune::CachePruned;
pub use threads::on_threads;
