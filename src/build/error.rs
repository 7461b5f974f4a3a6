//! What can go wrong while images are locked and built.

use crate::deb::archive::ArchiveError;
use crate::deb::script::UnjudgedScripts;
use crate::effect::EffectError;
use crate::estate::ImageKey;
use crate::layer::{Conflicts, FragmentError, LayerError, NodesError};
use crate::lock::LockError;
use crate::name::PackageName;
use crate::oci::{OciError, StoreError};
use crate::spec::Mistake;

/// Why an image was not built.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// The lock has no line for it.
    #[error("{} is not in wharf.lock", name(.0))]
    #[diagnostic(code(wharf::build::not_locked), help("`wharf lock {}` adds it", .0.image))]
    NotLocked(ImageKey),
    /// It has steps that must be run.
    #[error("{} has `run` steps, and the direct engine runs nothing", name(.key))]
    #[diagnostic(
        code(wharf::build::run),
        help("{what}; images with `run` steps are for the buildah engine, which this version does not have")
    )]
    Run {
        /// Which image.
        key: ImageKey,
        /// Where the first one stands, or whose script asks for it.
        what: String,
    },
    /// Scripts that nobody judged.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unjudged(#[from] UnjudgedScripts),
    /// Scripts that changed since they were judged.
    #[error("{} holds scripts that changed since they were judged: {}", name(.key), list(.packages))]
    #[diagnostic(
        code(wharf::build::changed),
        help(
            "read the scripts that `wharf lock` shows, then `wharf lock --accept PACKAGE`; without `--strict` the old judgement holds"
        )
    )]
    Changed {
        /// Which image.
        key: ImageKey,
        /// Whose scripts.
        packages: Vec<PackageName>,
    },
    /// The fragment is not the one that the lock names.
    #[error("package `{package}` gives other bytes than wharf.lock says: {found}, and {expected} was locked")]
    #[diagnostic(
        code(wharf::build::fragment),
        help("filters of the distro changed, or another wharf wrote the lock: `wharf lock` brings it up to date")
    )]
    Fragment {
        /// The package.
        package: PackageName,
        /// What the lock says.
        expected: crate::digest::Digest,
        /// What came out.
        found: crate::digest::Digest,
    },
    /// A package was neither in the cache nor fetched.
    #[error("package `{0}` is not at hand")]
    #[diagnostic(code(wharf::build::no_fragment), help("`wharf fetch` brings in what the lock names"))]
    NoFragment(PackageName),
    /// An archive.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A fragment could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Packing(#[from] FragmentError),
    /// Packages do not go together.
    #[error("{}: {conflicts}", name(.key))]
    #[diagnostic(code(wharf::build::conflict), help("leave one of the packages out, or pin versions that go together"))]
    Conflict {
        /// Which image.
        key: ImageKey,
        /// Which paths.
        conflicts: Conflicts,
    },
    /// An effect could not be done, and no line of a spec is to blame.
    #[error("{}: {error}", name(.key))]
    #[diagnostic(code(wharf::build::effect))]
    Effect {
        /// Which image.
        key: ImageKey,
        /// Why.
        error: EffectError,
        /// What to do.
        #[help]
        help: Option<String>,
    },
    /// A line of a spec is to blame.
    #[error("{}", .0.message)]
    #[diagnostic(code(wharf::build::spec))]
    Spec(Box<Mistake>),
    /// A layer could not be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LayerError),
    /// Nodes that no layer can hold.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nodes(#[from] NodesError),
    /// The store is not good.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A document is not.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Oci(#[from] OciError),
    /// The lock is not.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// Python could not be compiled.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bytecode(#[from] super::bytecode::BytecodeError),
}

fn name(key: &ImageKey) -> String {
    format!("`{}` for {} on {}", key.image, key.distro, key.arch)
}

fn list(packages: &[PackageName]) -> String {
    packages.iter().map(|package| format!("`{package}`")).collect::<Vec<_>>().join(", ")
}
