//! What can go wrong while images are locked and built.

use crate::deb::archive::ArchiveError;
use crate::deb::script::UnjudgedScripts;
use crate::effect::EffectError;
use crate::estate::ImageKey;
use crate::fetch::CacheError;
use crate::layer::bytecode::ToolError;
use crate::layer::{Conflicts, FragmentError, LayerError, NodesError};
use crate::lock::LockError;
use crate::name::{ArchName, DistroName, PackageName};
use crate::oci::{OciError, StoreError};
use crate::path::PathError;
use crate::spec::Mistake;
use crate::tree::TreeError;

/// Why an image was not built.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// The lock has no line for it.
    #[error("{} is not in wharf.lock", name(.0))]
    #[diagnostic(code(wharf::build::not_locked), help("`wharf lock {}` adds it", .0.image))]
    NotLocked(ImageKey),
    /// A maintainer script has to run, and wharf runs none.
    #[error("{}: {what}, which the direct engine does not do", name(.key))]
    #[diagnostic(
        code(wharf::build::run),
        help("judge what it does (`wharf help lock`), and do it in a `run` step of the image")
    )]
    Run {
        /// Which image.
        key: ImageKey,
        /// Whose script asks for it.
        what: String,
    },
    /// A step did not end well.
    #[error("{} at {at}: `{step}` {}{}", name(.key), ended(*code), said(.output))]
    #[diagnostic(code(wharf::build::step))]
    Step {
        /// Which image.
        key: ImageKey,
        /// Where the step stands.
        at: String,
        /// The step, in one line.
        step: String,
        /// Its exit code; none after a signal.
        code: Option<i32>,
        /// The end of what it printed.
        output: String,
    },
    /// A step needs a secret that was not given.
    #[error("{} at {at}: the step reads the secret `{id}`, which was not given", name(.key))]
    #[diagnostic(code(wharf::build::no_secret), help("`wharf build --secret {id}=FILE` gives it"))]
    NoSecret {
        /// Which image.
        key: ImageKey,
        /// Where the step stands.
        at: String,
        /// The secret.
        id: String,
    },
    /// What a step is to bring is not there.
    #[error("{} at {at}: {what}", name(.key))]
    #[diagnostic(code(wharf::build::copy))]
    Copy {
        /// Which image.
        key: ImageKey,
        /// Where the step stands.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// An image that it is made from was not made.
    #[error("{} was not built: {} was not", name(.key), name(.on))]
    #[diagnostic(code(wharf::build::ground))]
    Ground {
        /// Which image.
        key: ImageKey,
        /// What it needs.
        on: ImageKey,
    },
    /// buildah.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Buildah(#[from] crate::buildah::BuildahError),
    /// It was looked for, and told of, before.
    #[error("there is no buildah that will do")]
    #[diagnostic(code(wharf::build::no_engine))]
    NoEngine,
    /// Bytes that are not there any more.
    #[error(transparent)]
    #[diagnostic(code(wharf::build::io))]
    Io(#[from] std::io::Error),
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
    /// The cache.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
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
    Compiler(#[from] super::bytecode::BytecodeError),
    /// The interpreter could not be unpacked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(#[from] ToolError),
    /// The interpreter's packages do not go together.
    #[error("the python interpreter of {distro}: {conflicts}")]
    #[diagnostic(
        code(wharf::build::tool_conflict),
        help("`packages` of the distro's `bytecode` node names what the interpreter is made of")
    )]
    ToolConflict {
        /// Of this distro.
        distro: DistroName,
        /// Which paths.
        conflicts: Conflicts,
    },
    /// This machine cannot run the distro's interpreter.
    #[error(
        "python bytecode for {distro} is made by its own `{interpreter}`, and this machine is of none of its arches"
    )]
    #[diagnostic(
        code(wharf::build::no_host),
        help(
            "build on a machine of one of the distro's arches, or take the `bytecode` node away: python then compiles at every start"
        )
    )]
    NoHost {
        /// The distro.
        distro: DistroName,
        /// The interpreter.
        interpreter: String,
    },
    /// The lock has no interpreter for this machine.
    #[error("wharf.lock names no python interpreter of {distro} for machines of the arch {arch}")]
    #[diagnostic(code(wharf::build::no_tool), help("`wharf lock` on this machine adds it"))]
    NoTool {
        /// The distro.
        distro: DistroName,
        /// This machine's arch.
        arch: ArchName,
    },
    /// The bytecode is not what was locked.
    #[error("the python bytecode of `{package}` is not what wharf.lock says")]
    #[diagnostic(
        code(wharf::build::bytecode),
        help(
            "the interpreter in the lock changed, or this machine's gives other bytes: `wharf lock --upgrade={package}` takes the new ones"
        )
    )]
    Bytecode {
        /// The package.
        package: PackageName,
    },
    /// A package's private directory of python is no path.
    #[error("the scripts of package `{package}` compile python where there is no path: {error}")]
    #[diagnostic(code(wharf::build::bytecode_path))]
    BytecodePath {
        /// The package.
        package: PackageName,
        /// Why.
        error: PathError,
    },
    /// The same in an image.
    #[error("{}: python is to be compiled where there is no path: {error}", name(.key))]
    #[diagnostic(code(wharf::build::bytecode_path), help("`dirs` of the distro's `bytecode` node are absolute paths"))]
    ImageBytecodePath {
        /// Which image.
        key: ImageKey,
        /// Why.
        error: PathError,
    },
    /// Something stands where a file has to go.
    #[error("{}: {error}", name(.key))]
    #[diagnostic(code(wharf::build::tree))]
    Tree {
        /// Which image.
        key: ImageKey,
        /// Why.
        error: TreeError,
    },
}

fn name(key: &ImageKey) -> String {
    format!("`{}` for {} on {}", key.image, key.distro, key.arch)
}

fn list(packages: &[PackageName]) -> String {
    packages.iter().map(|package| format!("`{package}`")).collect::<Vec<_>>().join(", ")
}

/// How a step ended.
fn ended(code: Option<i32>) -> String {
    code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("gave exit code {code}"))
}

/// What it said, behind a word.
fn said(output: &str) -> String {
    let lines: String = output.lines().map(|line| format!("\n  {line}")).collect();
    if lines.is_empty() { ", and said nothing".to_owned() } else { format!("; its last words:{lines}") }
}
