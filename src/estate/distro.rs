//! A distribution that images are built from: archives, policy, and what its maintainer scripts are worth.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::name::{AccountName, ArchName, DistroName, PackageName};
use crate::path::ImagePath;
use crate::spec::{Span, Spanned};

use super::files::FileSource;
use super::image::{Account, Attr, Dir, File, Link, Mode, Owner, Tier};

/// A `distro` node, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Distro {
    /// As `debian-trixie`.
    pub name: DistroName,
    /// Whether plain refs (`NAME:latest`) mean this distro.
    pub default: bool,
    /// The architectures that it is built for, in the order of the spec.
    pub arches: Vec<ArchName>,
    /// Where packages come from.
    pub archives: Vec<Archive>,
    /// apt_preferences(5) for all its images.
    pub pins: Vec<Pin>,
    /// Which paths of packages are left out.
    pub filters: Filters,
    /// What debhelper's generated snippets are worth, by shape.
    pub snippets: Vec<SnippetRule>,
    /// What the rest of known maintainer scripts is worth.
    pub scripts: Vec<ScriptRule>,
    /// How python bytecode is made; none where the distro ships none.
    pub bytecode: Option<Bytecode>,
    /// Ids of accounts that packages make, used only where one does: `account "messagebus" uid=101 gid=101`.
    pub accounts: BTreeMap<AccountName, Account>,
    /// Support tier of the distro itself, which caps its images'.
    pub tier: Option<Tier>,
    /// Where the node stands.
    pub span: Span,
}

/// One archive: `archive "debian" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// Its name in the lock.
    pub name: String,
    /// Remote or a folder.
    pub source: ArchiveSource,
    /// Only for these arches, as ports archives are; for all where it is empty.
    pub arches: Vec<ArchName>,
    /// Where the node stands.
    pub span: Span,
}

impl Archive {
    /// Whether packages for `arch` come from here.
    pub fn serves(&self, arch: &ArchName) -> bool {
        self.arches.is_empty() || self.arches.contains(arch)
    }
}

/// Where an archive is.
#[derive(Debug, Clone, PartialEq)]
pub enum ArchiveSource {
    /// A signed repository.
    Remote {
        /// The address when neither a mirror nor the build host's apt sources say otherwise.
        url: String,
        /// The snapshot archive of it, for files that mirrors no longer have: `{date}` is replaced by `YYYYMMDDTHHMMSSZ`.
        snapshot: Option<String>,
        /// `Origin` that its Release must carry.
        origin: Option<String>,
        /// `Label` that its Release must carry.
        label: Option<String>,
        /// Suites, in order: `trixie`, `trixie-updates`.
        suites: Vec<String>,
        /// Components: `main`.
        components: Vec<String>,
        /// Keys, binary or armoured, any of which may sign.
        keyring: Spanned<FileSource>,
    },
    /// A folder of .debs of one's own; the lock's sha256 is the trust.
    Dir(std::path::PathBuf),
}

/// One pin, as apt_preferences(5) has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pin {
    /// Package names or globs; `*` for all.
    pub packages: Vec<String>,
    /// `Pin: version GLOB`.
    pub version: Option<String>,
    /// `Pin: release n=SUITE` or `a=`.
    pub suite: Option<String>,
    /// `Pin: release o=ORIGIN`.
    pub origin: Option<String>,
    /// `Pin: release l=LABEL`.
    pub label: Option<String>,
    /// Our own: the archive's name in the spec.
    pub archive: Option<String>,
    /// `Pin-Priority`.
    pub priority: i32,
    /// Where the node stands.
    pub span: Span,
}

/// Which paths of packages are left out: dpkg.cfg(5)'s path-exclude and path-include, in order, the last match wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// `(include, glob)`: globs are fnmatch(3) without FNM_PATHNAME over the path with its leading `/`.
    pub rules: Vec<(bool, String)>,
}

/// Which script of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScriptKind {
    /// debconf's questions.
    Config,
    /// Before unpacking.
    Preinst,
    /// After unpacking.
    Postinst,
    /// The `triggers` control file: what the package is interested in.
    Triggers,
}

impl ScriptKind {
    /// The name of the control member: `postinst`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Triggers => "triggers",
        }
    }
}

/// What a script, or a part of one, is worth in an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worth {
    /// Effects by name, as `alternatives`; empty for `ignore`.
    pub effects: Vec<EffectUse>,
    /// The script has to be run: the image needs the buildah engine.
    pub run: bool,
    /// Accounts that it makes.
    pub accounts: Vec<Account>,
    /// Directories that it makes.
    pub dirs: Vec<Dir>,
    /// Links that it makes.
    pub links: Vec<Link>,
    /// Files that it makes.
    pub files: Vec<File>,
    /// Modes and owners that it sets.
    pub attrs: Vec<Attr>,
    /// Alternatives that it registers.
    pub alternatives: Vec<Alternative>,
    /// Diversions that it adds.
    pub diversions: Vec<Diversion>,
    /// Configuration that it copies into place through ucf.
    pub ucf: Vec<UcfFile>,
}

/// Every effect that a judgement may name; each is a file of the module `effect`, but `debconf`, for which nothing
/// is made, and `ldconfig`, which every image gets.
pub const EFFECTS: [&str; 18] = [
    "accounts",
    "alternatives",
    "apache2-confs",
    "apache2-modules",
    "apache2-sites",
    "base-files",
    "base-passwd",
    "bytecode",
    "ca-certificates",
    "debconf",
    "ldconfig",
    "nsswitch",
    "pam",
    "shells",
    "statoverride",
    "sysusers",
    "tmpfiles",
    "ucf",
];

/// An effect that a script is worth: `effect "apache2-modules" "alias" "dir"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectUse {
    /// The effect's name.
    pub name: String,
    /// What it works on; where there is none, it reads that from the script's text.
    pub arguments: Vec<String>,
}

/// `alternative "/usr/bin/awk" name="awk" path="/usr/bin/mawk" priority=5 { slave "/usr/bin/nawk" name="nawk" path="/usr/bin/mawk" }`
/// (update-alternatives(1), `--install`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The generic name: `/usr/bin/awk`.
    pub link: ImagePath,
    /// The name in `/etc/alternatives`.
    pub name: String,
    /// What it may point at.
    pub path: ImagePath,
    /// The highest wins.
    pub priority: i32,
    /// `(link, name, path)` of what moves along.
    pub slaves: Vec<(ImagePath, String, ImagePath)>,
}

/// `divert "/sbin/start" to="/sbin/start.upstart"` (dpkg-divert(1), `--add --rename`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The path that other packages no longer get.
    pub path: ImagePath,
    /// Where their file lands instead.
    pub to: ImagePath,
    /// The package whose own file stays; none for a local diversion.
    pub package: Option<PackageName>,
}

/// `ucf "/etc/keystone/keystone.conf" source="/usr/share/keystone/keystone.conf" owner="root" group="keystone" mode="0640"` (ucf(1)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UcfFile {
    /// Where the copy goes.
    pub path: ImagePath,
    /// What is copied; a file of the image.
    pub source: ImagePath,
    /// root unless told.
    pub owner: Option<Owner>,
    /// root unless told.
    pub group: Option<Owner>,
    /// The source's unless told.
    pub mode: Option<Mode>,
}

/// A known maintainer script: `script "adduser" kind="postinst" rest="sha256:…" { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptRule {
    /// The package.
    pub package: PackageName,
    /// Which script.
    pub kind: ScriptKind,
    /// Digest of the normalised rest that was judged.
    pub rest: Option<Digest>,
    /// The judgement.
    pub worth: Worth,
    /// Why.
    pub reason: Option<String>,
    /// Where the node stands.
    pub span: Span,
}

/// A debhelper snippet's identity: which tool made it, and the digest of its shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snippet {
    /// `dh_installsystemd`
    pub tool: String,
    /// Digest of the text with its package-specific words taken out.
    pub shape: Digest,
}

/// What a debhelper snippet is worth: `snippet "dh_installsystemd" shape="sha256:…" effect="ignore"`.
#[derive(Debug, Clone, PartialEq)]
pub struct SnippetRule {
    /// Which snippet.
    pub snippet: Snippet,
    /// The judgement.
    pub worth: Worth,
    /// Where the node stands.
    pub span: Span,
}

/// How python bytecode is made: `bytecode "python3.13" packages="python3.13-minimal" { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytecode {
    /// The interpreter's path in the tool: `/usr/bin/python3.13`.
    pub interpreter: String,
    /// Packages whose closure is the tool, for the build host's arch.
    pub packages: Vec<PackageName>,
    /// Directories below which every `.py` is compiled: `/usr/lib/python3/dist-packages`.
    pub dirs: Vec<String>,
    /// The tag in the names of the files: `cpython-313`.
    pub tag: String,
    /// Where the node stands.
    pub span: Span,
}
