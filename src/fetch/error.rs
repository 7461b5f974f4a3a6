//! What goes wrong when files are fetched.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

use super::cache::CacheError;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum FetchError {
    /// `--offline`, and the cache does not have it.
    #[error("{what} is not in the cache, and `--offline` forbids to fetch it")]
    #[diagnostic(code(wharf::fetch::offline), help("run once without `--offline`, or `wharf fetch` beforehand"))]
    Offline {
        /// A URL or a file's name.
        what: String,
    },
    /// The server, or the folder, does not have the file.
    #[error("{url} does not exist")]
    #[diagnostic(
        code(wharf::fetch::missing),
        help("the mirror may be behind, or have dropped the file: try another one")
    )]
    Missing {
        /// Where it was looked for.
        url: String,
    },
    /// The server does not give the file.
    #[error("{url} was refused with HTTP status {status}")]
    #[diagnostic(
        code(wharf::fetch::refused),
        help(
            "check the address, whether the server wants a password (`wharf/auth.conf` in the user's configuration folder, or apt's), and whether the proxy lets it through"
        )
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP's.
        status: u16,
    },
    /// Every attempt ended in an error of the network.
    #[error("{url} cannot be fetched: {reason} ({attempts} attempts)")]
    #[diagnostic(
        code(wharf::fetch::unreachable),
        help("check the network and the proxy (`http_proxy`, `https_proxy`, `no_proxy`), or use another mirror")
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// How the last attempt ended.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The file is longer or shorter than it should be.
    #[error("{url} has {found} bytes, expected {expected}")]
    #[diagnostic(
        code(wharf::fetch::size),
        help(
            "the mirror is in the middle of an update, or its file is not the real one: try again later, or another mirror"
        )
    )]
    Size {
        /// What was asked for.
        url: String,
        /// Bytes.
        expected: u64,
        /// Bytes, as text since a length may be known only from below.
        found: String,
    },
    /// The file is not the one that its index names.
    #[error("{url} is not the expected file: its sha256 is {}, expected {}", .found.hex(), .expected.hex())]
    #[diagnostic(
        code(wharf::fetch::digest),
        help("the mirror is in the middle of an update, or its file was changed: try again later, or another mirror")
    )]
    Digest {
        /// What was asked for.
        url: String,
        /// What the index or the lock says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A file of a folder cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    #[diagnostic(code(wharf::fetch::read), help("check its permissions"))]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The cache's file system takes no more.
    #[error("{what} cannot be written to the cache at {}: {source}", .path.display())]
    #[diagnostic(
        code(wharf::fetch::write),
        help(
            "free space on its file system (`wharf prune --cache`), or name another with `--cache DIR` or `WHARF_CACHE`"
        )
    )]
    Write {
        /// What was being fetched.
        what: String,
        /// The folder that was written to.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Several places were tried, and each failed.
    #[error("{what} could not be fetched from any of {} places", .tries.len())]
    #[diagnostic(code(wharf::fetch::everywhere))]
    Everywhere {
        /// The file's name.
        what: String,
        /// One for each place.
        #[related]
        tries: Vec<FetchError>,
    },
    /// The cache itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
}

impl FetchError {
    /// Whether another place cannot help either: the cache's disk is full, or the cache is broken.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Cache(_))
    }

    /// Whether the file is simply not there, wherever it was looked for.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Everywhere { tries, .. } => tries.iter().all(Self::is_missing),
            _ => false,
        }
    }

    /// One error for several places.
    pub(crate) fn of_all(what: &str, mut tries: Vec<Self>) -> Self {
        match tries.len() {
            0 => Self::Missing { url: what.to_owned() },
            1 => tries.remove(0),
            _ => Self::Everywhere { what: what.to_owned(), tries },
        }
    }
}
