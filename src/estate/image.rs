//! An image: a spec resolved for one distro and one arch.

use std::collections::BTreeMap;

use crate::name::{AccountName, ArchName, DistroName, ImageName, PackageName};
use crate::path::ImagePath;
use crate::spec::{Span, Spanned};

use super::distro::{Pin, ScriptKind, Worth};
use super::files::{FileSource, Tree};

/// How well something is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Tested and fixed.
    Maintained,
    /// Built and looked at when it breaks.
    BestEffort,
    /// Nobody looks.
    Unmaintained,
}

impl Tier {
    /// The word in specs: `best-effort`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maintained => "maintained",
            Self::BestEffort => "best-effort",
            Self::Unmaintained => "unmaintained",
        }
    }
}

/// Support of an image on its distro and arch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Support {
    /// The tier that holds here: the image's, lowered by the distro's or arch's.
    pub tier: Tier,
    /// `deprecated since=`.
    pub deprecated_since: Option<String>,
    /// `deprecated removed=`.
    pub removed_in: Option<String>,
    /// Why it cannot be built here.
    pub unbuildable: Option<String>,
}

/// An image resolved for one distro and arch.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// As `keystone`.
    pub name: ImageName,
    /// For this distro.
    pub distro: DistroName,
    /// For this arch.
    pub arch: ArchName,
    /// One line for people.
    pub summary: Option<String>,
    /// Tier and life cycle here.
    pub support: Support,
    /// What each image of the `from` chain adds; the root first, this image last.
    pub levels: Vec<Level>,
    /// All accounts of the chain, by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// What the container's engine is told.
    pub config: ImageConfig,
    /// The package that gives `${version}`; the first of `packages` else.
    pub version_from: Option<PackageName>,
    /// `versions "own"`: this image may hold other versions than the rest of the lock.
    pub own_versions: bool,
    /// How packages become layers.
    pub layering: Layering,
    /// `test` nodes of this image itself.
    pub tests: Vec<Test>,
    /// The image's own node.
    pub span: Span,
}

impl Image {
    /// Whether anything has to run for it, in itself or in an ancestor.
    pub fn runs(&self) -> bool {
        self.levels.iter().flat_map(|level| &level.steps).any(|step| matches!(step, Step::Run(_)))
    }

    /// The engine that makes it: `direct` or `buildah`.
    pub fn engine(&self) -> &'static str {
        if self.runs() { "buildah" } else { "direct" }
    }

    /// The packages that only its own steps need.
    pub fn build_packages(&self) -> &[Package] {
        self.levels.last().map_or(&[], |level| &level.build_packages)
    }

    /// The images whose files its steps copy.
    pub fn copies(&self) -> impl Iterator<Item = (&ImageName, Span)> {
        self.levels.iter().flat_map(|level| &level.steps).filter_map(|step| match step {
            Step::Copy(StepCopy { source: CopySource::Image { image, .. }, span, .. }) => Some((image, *span)),
            _ => None,
        })
    }
}

/// How packages become layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layering {
    /// One layer per `from` level.
    #[default]
    Lineage,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Compression {
    /// zstd, level 3.
    #[default]
    Zstd,
    /// gzip, level 6, in members of 1 MiB.
    Gzip,
}

/// What one image of the chain adds, conditions resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Whose node it is.
    pub image: ImageName,
    /// Packages wanted by name.
    pub packages: Vec<Package>,
    /// `essential=#true`: the distro's essential set too.
    pub essential: Option<Span>,
    /// `recommends=#true` on any `packages` of this level.
    pub recommends: bool,
    /// `pin` nodes.
    pub pins: Vec<Pin>,
    /// Trees, in order.
    pub trees: Vec<Spanned<Tree>>,
    /// `dir` nodes.
    pub dirs: Vec<Dir>,
    /// `file` nodes.
    pub files: Vec<File>,
    /// `link` nodes.
    pub links: Vec<Link>,
    /// `attr` nodes.
    pub attrs: Vec<Attr>,
    /// `omit` nodes.
    pub omits: Vec<Omit>,
    /// `script` nodes.
    pub scripts: Vec<ScriptDecision>,
    /// `packages … build=#true`: there while steps run, and not in the image.
    pub build_packages: Vec<Package>,
    /// `run` and `copy` nodes, in order: what is done once packages and files are there.
    pub steps: Vec<Step>,
}

/// How a wanted version is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `=`; the version may be a glob, as `2:31.*`.
    Equal,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>>`
    Later,
    /// `<<`
    Earlier,
}

/// A package wanted by name: `"nova=2:31.*"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// Its name; may be a virtual one.
    pub name: PackageName,
    /// A bound on its version.
    pub version: Option<(Relation, String)>,
    /// Where it is written.
    pub span: Span,
}

/// A user with a group of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Login name.
    pub name: AccountName,
    /// Fixed in the project; none only in a script's worth, where the project must fix it.
    pub uid: Option<u32>,
    /// Of the group of the same name.
    pub gid: Option<u32>,
    /// Further groups.
    pub groups: Vec<AccountName>,
    /// `/nonexistent` unless told.
    pub home: Option<ImagePath>,
    /// `/usr/sbin/nologin` unless told.
    pub shell: Option<ImagePath>,
    /// The comment of passwd(5), a name for people; empty unless told.
    pub gecos: Option<String>,
    /// A group alone, without a user.
    pub group_only: bool,
    /// Where the node stands.
    pub span: Span,
}

/// Permission bits, `0o0000` to `0o7777`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mode(pub u16);

/// Who owns a path: by name, or by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Looked up in the image's own passwd or group.
    Name(AccountName),
    /// As it is.
    Id(u32),
}

/// `dir "/var/log/keystone" owner="keystone" mode="0750"`
#[derive(Debug, Clone, PartialEq)]
pub struct Dir {
    /// The path.
    pub path: ImagePath,
    /// root unless told.
    pub owner: Option<Owner>,
    /// The owner's group of the same name unless told, root without an owner.
    pub group: Option<Owner>,
    /// 0755 unless told.
    pub mode: Option<Mode>,
    /// Where the node stands.
    pub span: Span,
}

/// `file "/etc/motd" "text"` or `file "/etc/x" source="files/x"`
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The path.
    pub path: ImagePath,
    /// The content.
    pub content: FileContent,
    /// root unless told.
    pub owner: Option<Owner>,
    /// As for [`Dir`].
    pub group: Option<Owner>,
    /// 0644 unless told.
    pub mode: Option<Mode>,
    /// Where the node stands.
    pub span: Span,
}

/// What a `file` node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// In the node.
    Text(String),
    /// A file of the project.
    Source(FileSource),
}

/// `link "/usr/bin/python" "python3"`
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The path.
    pub path: ImagePath,
    /// The text of the link.
    pub target: String,
    /// Where the node stands.
    pub span: Span,
}

/// `attr "/usr/bin/ping" mode="0755" capabilities="cap_net_raw=ep"`; the path may be a glob.
#[derive(Debug, Clone, PartialEq)]
pub struct Attr {
    /// A path or a glob (`*` stays within a component, `**` does not).
    pub path: String,
    /// New owner.
    pub owner: Option<Owner>,
    /// New group.
    pub group: Option<Owner>,
    /// New mode.
    pub mode: Option<Mode>,
    /// File capabilities as cap_from_text(3) writes them.
    pub capabilities: Option<String>,
    /// Where the node stands.
    pub span: Span,
}

/// `omit "/usr/share/doc/**"`
#[derive(Debug, Clone, PartialEq)]
pub struct Omit {
    /// A glob as for [`Attr`].
    pub glob: String,
    /// Where it is written.
    pub span: Span,
}

/// `script "apache2" effect="apache2-modules"`: what a package's script is worth in this image.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptDecision {
    /// The package.
    pub package: PackageName,
    /// One script; all of the package's where none.
    pub kind: Option<ScriptKind>,
    /// The judgement.
    pub worth: Worth,
    /// Where the node stands.
    pub span: Span,
}

/// What is done in an image once its packages and files are there.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A program runs.
    Run(Box<Run>),
    /// Files of another image or of the project come in.
    Copy(StepCopy),
}

impl Step {
    /// Where the node stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Run(run) => run.span,
            Self::Copy(copy) => copy.span,
        }
    }
}

/// `run "make" "install" { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What runs.
    pub program: Program,
    /// Whether it may use the network.
    pub network: bool,
    /// Where it runs; the image's own `workdir` unless told, else `/`.
    pub workdir: Option<ImagePath>,
    /// Who it runs as; root unless told.
    pub user: Option<String>,
    /// Variables of this step alone.
    pub env: BTreeMap<String, String>,
    /// Secrets that it may read.
    pub secrets: Vec<StepSecret>,
    /// Folders that last from one build to the next and are in no image.
    pub caches: Vec<ImagePath>,
    /// Folders of the project that it may read.
    pub mounts: Vec<StepMount>,
    /// Where the node stands.
    pub span: Span,
}

/// What a `run` runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    /// One argument: a text for `/bin/sh -e -c`.
    Shell(String),
    /// Several: a program and its arguments.
    Words(Vec<String>),
    /// `script="build.sh"`: a file below layers/, by its own first line, with arguments.
    Script {
        /// As written.
        path: String,
        /// Its bytes.
        source: FileSource,
        /// What it is given.
        arguments: Vec<String>,
    },
}

/// `secret "token" path="/run/secrets/token"`: given with `--secret token=FILE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepSecret {
    /// Its name.
    pub id: String,
    /// The file that holds it; `/run/secrets/ID` unless told.
    pub path: ImagePath,
}

/// `mount "wheels" "/wheels"`: layers/wheels/ of the project, to be read at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct StepMount {
    /// The folder.
    pub tree: Tree,
    /// Where it is.
    pub path: ImagePath,
}

/// `copy "/out/app" "/usr/bin/app" from="builder"`, or `copy "theme" "/opt/theme"` of layers/theme/.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCopy {
    /// Where from.
    pub source: CopySource,
    /// Where to: the path itself.
    pub to: ImagePath,
    /// Whose it becomes; as in its image, else root's.
    pub owner: Option<Owner>,
    /// As for [`Dir`].
    pub group: Option<Owner>,
    /// Where the node stands.
    pub span: Span,
}

/// Where copied files come from.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// A path of another image for the same distro and arch.
    Image {
        /// Which.
        image: ImageName,
        /// A file, link or folder there.
        path: ImagePath,
    },
    /// A folder of the project.
    Tree(Tree),
}

/// What the container's engine is told: the OCI image config's `config` and the health check.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageConfig {
    /// `Env`, by key.
    pub env: BTreeMap<String, String>,
    /// `ExposedPorts`: `5000/tcp`.
    pub expose: Vec<String>,
    /// `Volumes`.
    pub volumes: Vec<Volume>,
    /// `User`.
    pub user: Option<String>,
    /// `WorkingDir`.
    pub workdir: Option<ImagePath>,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub command: Vec<String>,
    /// `StopSignal`.
    pub stop_signal: Option<String>,
    /// The health check.
    pub health: Option<Health>,
}

/// A volume's mount point.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The path.
    pub path: ImagePath,
}

/// `health "healthcheck_curl" "http://localhost:5000/v3" interval="30s" timeout="10s" retries=3 start="60s"`; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Program and arguments; one argument is a shell's.
    pub command: Vec<String>,
    /// Between two checks.
    pub interval_ms: u64,
    /// How long one may take.
    pub timeout_ms: u64,
    /// Failures in a row that mean unhealthy.
    pub retries: u32,
    /// During which failures do not count.
    pub start_ms: u64,
}

/// `test "starts" { run "memcached" "--version"; expect "memcached 1." }`
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its name within the image.
    pub name: String,
    /// Programs run one after the other, each in a container of its own.
    pub run: Vec<Vec<String>>,
    /// Texts that the output must hold.
    pub expect: Vec<String>,
    /// Start the image's own command, wait until it is healthy (or its port answers), then `run` inside it.
    pub service: bool,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// Where the node stands.
    pub span: Span,
}
