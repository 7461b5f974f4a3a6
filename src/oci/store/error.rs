//! What can be wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Why a store cannot be used, or does not hold something.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// The system said no.
    #[error("`{}` in the store cannot be used: {source}", .path.display())]
    #[diagnostic(
        code(wharf::store),
        help("free space, mend the permissions, or name another store with `--store DIR`")
    )]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// No locks on this file system.
    #[error("the store `{}` lies on a file system whose locks do not hold", .0.display())]
    #[diagnostic(
        code(wharf::store::locks),
        help(
            "without locks `prune` could take a blob away under a build: name a store on a local disk with `--store DIR`"
        )
    )]
    NoLocks(PathBuf),
    /// A folder that is something else.
    #[error("`{}` is not an OCI layout, and not empty", .0.display())]
    #[diagnostic(code(wharf::store::layout), help("name an empty or a new folder"))]
    NotALayout(PathBuf),
    /// Nothing there to read.
    #[error("there is no store in `{}`", .0.display())]
    #[diagnostic(code(wharf::store::absent), help("`wharf build` makes one; `--store DIR` names another"))]
    Absent(PathBuf),
    /// A layout of a later kind.
    #[error("the layout `{}` has version `{version}`, this wharf knows 1.0.0", .path.display())]
    #[diagnostic(code(wharf::store::version), help("use a later wharf, or name another store with `--store DIR`"))]
    LayoutVersion {
        /// The store.
        path: PathBuf,
        /// What its `oci-layout` says.
        version: String,
    },
    /// A blob that is not there.
    #[error("the store `{}` does not hold {digest}", .store.display())]
    #[diagnostic(code(wharf::store::missing), help("`wharf build` writes it again"))]
    Missing {
        /// The store.
        store: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// A blob with other bytes than its name says.
    #[error("{digest} in the store `{}` has other bytes than its name says: they are {found}", .store.display())]
    #[diagnostic(
        code(wharf::store::corrupt),
        help("the disk or another program changed it: remove the file and build again")
    )]
    Corrupt {
        /// The store.
        store: PathBuf,
        /// Its name.
        digest: Digest,
        /// What it holds.
        found: Digest,
    },
    /// Something that should be a document and is none.
    #[error("{what} in the store `{}` cannot be read: {why}", .store.display())]
    #[diagnostic(code(wharf::store::document), help("another program wrote it: build again, or name another store"))]
    Document {
        /// The store.
        store: PathBuf,
        /// A digest or `index.json`.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A name that is not there.
    #[error("the store `{}` holds no image `{text}`", .store.display())]
    #[diagnostic(code(wharf::store::unknown))]
    Unknown {
        /// The store.
        store: PathBuf,
        /// What was asked for.
        text: String,
        /// The nearest name, or what to do.
        #[help]
        help: String,
    },
}

impl StoreError {
    /// Gives an [`io::Error`] its path.
    pub(in crate::oci) fn at(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
