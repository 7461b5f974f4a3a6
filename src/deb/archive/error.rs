//! What goes wrong with archives.

use crate::deb::index::IndexError;
use crate::deb::openpgp::SignatureError;
use crate::deb::release::{ReleaseError, shown_date};
use crate::fetch::{CacheError, FetchError};
use crate::spec::Span;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ArchiveError {
    /// The keyring is not there, or none.
    #[error("the keyring of the archive `{archive}` cannot be used: {reason}")]
    #[diagnostic(
        code(wharf::archive::keyring),
        help("`keyring` names a file below targets/ with the OpenPGP certificates that may sign the archive")
    )]
    Keyring {
        /// Its name in the spec.
        archive: String,
        /// Where the spec names the keyring.
        span: Span,
        /// Why.
        reason: String,
    },
    /// No place has a suite that can be trusted.
    #[error("the suite `{suite}` of the archive `{archive}` was found at no place that can be trusted")]
    #[diagnostic(code(wharf::archive::suite), help("a mirror that serves it can be named: `--mirror {archive}=URL`"))]
    Suite {
        /// The archive's name in the spec.
        archive: String,
        /// As in the spec.
        suite: String,
        /// One for each place.
        #[related]
        tries: Vec<SuiteError>,
    },
    /// `--offline`, and the last lock's suite is not in the cache.
    #[error("the suite `{suite}` of the archive `{archive}` is not in the cache as the lock names it")]
    #[diagnostic(code(wharf::archive::offline), help("run `wharf lock` once without `--offline`"))]
    Offline {
        /// The archive's name in the spec.
        archive: String,
        /// As in the spec.
        suite: String,
    },
    /// The suite does not have such an index.
    #[error("the suite `{suite}` of the archive `{archive}` has no packages of the component `{component}` for {arch}")]
    #[diagnostic(code(wharf::archive::component), help("{help}"))]
    NoIndex {
        /// The archive's name in the spec.
        archive: String,
        /// As in the spec.
        suite: String,
        /// As in the spec.
        component: String,
        /// The distro's word for it.
        arch: String,
        /// What there is.
        help: Box<str>,
    },
    /// An index was fetched and cannot be read.
    #[error("{path} of the suite `{suite}` of the archive `{archive}` cannot be read: {source}")]
    #[diagnostic(
        code(wharf::archive::index),
        help("the archive itself is at fault: its digest is the one that was signed")
    )]
    Index {
        /// The archive's name in the spec.
        archive: String,
        /// As in the spec.
        suite: String,
        /// Below the suite's folder.
        path: Box<str>,
        /// Why.
        source: IndexError,
    },
    /// A folder of .debs cannot be read.
    #[error("the archive `{archive}` cannot be read: {}: {reason}", .path.display())]
    #[diagnostic(code(wharf::archive::folder), help("`dir` names a folder of .debs, from the project's root"))]
    Folder {
        /// The archive's name in the spec.
        archive: String,
        /// The folder, or the .deb in it.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The lock names an archive that the spec does not have.
    #[error("the lock has `{package}` from the archive `{archive}`, which the distro does not have")]
    #[diagnostic(code(wharf::archive::unknown), help("`wharf lock` solves again with the archives that there are"))]
    UnknownArchive {
        /// The package's name.
        package: String,
        /// The archive's name in the lock.
        archive: String,
    },
    /// No place has a package any more.
    #[error("{package} {version} is gone from the archive `{archive}`: {path} is at no place that was asked")]
    #[diagnostic(
        code(wharf::archive::gone),
        help(
            "`wharf lock --upgrade {package}` takes the version that the archive has now; a `snapshot` address on the \
             archive keeps old versions in reach"
        )
    )]
    Gone {
        /// The package's name.
        package: String,
        /// As locked.
        version: String,
        /// The archive's name in the spec.
        archive: String,
        /// Below the archive's address.
        path: Box<str>,
        /// One for each place.
        #[related]
        tries: Vec<FetchError>,
    },
    /// `--offline`, and packages are not in the cache.
    #[error("not in the cache, and `--offline` forbids to fetch it: {}", shortened(.files))]
    #[diagnostic(code(wharf::archive::offline), help("`wharf fetch` brings them in while there is a network"))]
    OfflineDebs {
        /// Names of .debs, sorted.
        files: Vec<String>,
    },
    /// A file could not be fetched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// The cache.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
}

fn shortened(files: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = files.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match files.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// Why a place's suite is passed over.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SuiteError {
    /// It is not there, or cannot be fetched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// Its signature does not count.
    #[error("{url} is not trusted: {source}")]
    #[diagnostic(
        code(wharf::archive::signature),
        help("{}", .source.help())
    )]
    Signature {
        /// Of InRelease or Release.
        url: String,
        /// Why.
        source: SignatureError,
    },
    /// It is signed, and no Release file.
    #[error("{url} cannot be read: {source}")]
    #[diagnostic(code(wharf::archive::release), help("the archive itself is at fault: this is what it signed"))]
    Release {
        /// Of InRelease or Release.
        url: String,
        /// Why.
        source: ReleaseError,
    },
    /// It is the Release of another suite.
    #[error("{url} is that of the suite {found}, not of `{suite}`")]
    #[diagnostic(
        code(wharf::archive::other_suite),
        help("the mirror is misconfigured or hostile; if the archive means it so, name the suite as it does")
    )]
    OtherSuite {
        /// Of InRelease or Release.
        url: String,
        /// As in the spec.
        suite: String,
        /// `Suite` and `Codename`.
        found: String,
    },
    /// It is another archive.
    #[error("{url} has the {field} {}, and the spec says `{expected}`", .found.as_ref().map_or("of nobody".to_owned(), |found| format!("`{found}`")))]
    #[diagnostic(
        code(wharf::archive::origin),
        help("this is another archive; if it is the right one, its `origin` and `label` in the distro have to say so")
    )]
    OtherOrigin {
        /// Of InRelease or Release.
        url: String,
        /// `Origin` or `Label`.
        field: &'static str,
        /// As in the spec.
        expected: String,
        /// What it says.
        found: Option<String>,
    },
    /// It is past its `Valid-Until`.
    #[error("{url} was valid until {}, and it is {}", shown_date(*.until), shown_date(*.now))]
    #[diagnostic(
        code(wharf::archive::expired),
        help("the mirror is no longer updated, or this machine's clock is wrong: use another mirror")
    )]
    Expired {
        /// Of InRelease or Release.
        url: String,
        /// Seconds since 1970.
        until: i64,
        /// Seconds since 1970.
        now: i64,
    },
    /// It is dated in the future.
    #[error("{url} is dated {}, and it is {}", shown_date(*.date), shown_date(*.now))]
    #[diagnostic(code(wharf::archive::future), help("this machine's clock is wrong"))]
    Future {
        /// Of InRelease or Release.
        url: String,
        /// Seconds since 1970.
        date: i64,
        /// Seconds since 1970.
        now: i64,
    },
    /// The lock was made from a newer one.
    #[error("{url} is of {}, and the lock was made from that of {}", shown_date(*.date), shown_date(*.locked))]
    #[diagnostic(
        code(wharf::archive::older),
        help(
            "the mirror is behind: use another one, or wait; if the archive really went back, remove the `suite` line from wharf.lock"
        )
    )]
    Older {
        /// Of InRelease or Release.
        url: String,
        /// Seconds since 1970.
        date: i64,
        /// Seconds since 1970.
        locked: i64,
    },
}

impl SuiteError {
    /// Whether this only says that the place is not this archive's: nothing to tell of one of many apt sources.
    pub(super) fn is_elsewhere(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_missing(),
            Self::OtherOrigin { .. } | Self::OtherSuite { .. } => true,
            Self::Signature { source, .. } => {
                matches!(source, SignatureError::UnknownSigner { .. } | SignatureError::Unsigned(_))
            }
            _ => false,
        }
    }
}
