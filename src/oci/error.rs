//! What can go wrong with an image beyond its store.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

use super::StoreError;

/// Why an image cannot be written, read or compared.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OciError {
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A time that has no date.
    #[error("{0} seconds since 1970 is no date that RFC 3339 can write")]
    #[diagnostic(code(wharf::oci::created), help("a package carries a wrong time of change"))]
    Created(i64),
    /// JSON that cannot be written.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A layer in a form that wharf does not know.
    #[error("layer {layer} has the media type `{media_type}`, which wharf cannot read")]
    #[diagnostic(code(wharf::oci::layer), help("wharf reads tar, tar+gzip and tar+zstd"))]
    MediaType {
        /// The layer.
        layer: Digest,
        /// What its descriptor says.
        media_type: String,
    },
    /// A layer that is no tar, or holds what no image may hold.
    #[error("layer {layer} cannot be read: {why}")]
    #[diagnostic(code(wharf::oci::layer), help("build the image again, or fetch it again"))]
    Layer {
        /// The layer.
        layer: Digest,
        /// What is wrong.
        why: String,
    },
    /// Something outside the store.
    #[error("`{}` cannot be written: {source}", .path.display())]
    #[diagnostic(code(wharf::export::write), help("free space, mend the permissions, or name another place"))]
    Write {
        /// The place.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A root that only root can write.
    #[error("`{}` cannot be written as a root file system: only root can give files to their owners", .0.display())]
    #[diagnostic(
        code(wharf::export::root),
        help("run it as root or in `podman unshare`, or write `tar:FILE`, which needs no rights")
    )]
    NotRoot(PathBuf),
    /// A folder that must not be there yet.
    #[error("`{}` is there already, and not an empty folder", .0.display())]
    #[diagnostic(code(wharf::export::exists), help("name a new or an empty folder"))]
    Exists(PathBuf),
    /// A target that can hold one arch alone.
    #[error("`{image}` holds {}, and {target} can hold one arch alone", .arches.join(", "))]
    #[diagnostic(code(wharf::export::arch), help("name one of them with `--arch`"))]
    ManyArches {
        /// The image.
        image: String,
        /// What it holds.
        arches: Vec<String>,
        /// `docker-archive`, …
        target: String,
    },
    /// A digest goes into a layout, where only names are found again.
    #[error("the image in `{}` would have no name", .0.display())]
    #[diagnostic(code(wharf::export::name), help("name it: `oci:DIR:REF`"))]
    Nameless(PathBuf),
    /// An arch that an image does not have.
    #[error("`{image}` holds no `{arch}`")]
    #[diagnostic(code(wharf::export::arch), help("it holds {}", .arches.join(", ")))]
    NoSuchArch {
        /// The image.
        image: String,
        /// What was asked for.
        arch: String,
        /// What it holds.
        arches: Vec<String>,
    },
}
