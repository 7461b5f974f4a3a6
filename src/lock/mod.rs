//! `wharf.lock`: exact packages for every image, in git.
//!
//! The file is lines of words, sorted, one package a line, so that git shows and merges it well:
//!
//! ```text
//! format 0
//! compression zstd-1.5.7-3-1m
//! import catalogue sha256:…
//! reading debian-trixie sha256:…
//! suite debian-trixie debian trixie 2026-11-21T09:15:44Z sha256:…
//! accepted debian-trixie adduser postinst sha256:…
//! target debian-trixie x86_64
//! image memcached parent=base inputs=sha256:… groups=1,2 roots=memcached
//! package memcached 1.6.38-1 amd64 group=2 from=debian:pool/main/m/memcached/…_amd64.deb size=… sha256:… …
//! ```
//!
//! Words hold no white space; where a value could, it is percent-encoded.

mod diff;
pub mod group;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::estate::{Compression, ScriptKind};
use crate::name::{ArchName, DistroName, ImageName, PackageName};

pub use diff::{ImageDiff, LockDiff, PackageDiff, TargetDiff, diff};
pub use text::LockError;

/// The byte format that this wharf writes: headers, order, codec, block size. 0 may still change.
pub const FORMAT: u32 = 0;

/// A whole `wharf.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The byte format.
    pub format: u32,
    /// How layers are compressed.
    pub compression: Compression,
    /// Each import's digest.
    pub imports: BTreeMap<String, Digest>,
    /// Digests of the rules by which each distro's packages were read: its filters, and how python is compiled.
    pub readings: BTreeMap<DistroName, Digest>,
    /// Each suite that was read.
    pub suites: BTreeMap<SuiteKey, LockedSuite>,
    /// Maintainer scripts that are not as they were when they were judged.
    pub scripts: BTreeMap<ScriptKey, Changed>,
    /// Packages and images per distro and arch.
    pub targets: BTreeMap<(DistroName, ArchName), Target>,
}

impl Lock {
    /// An empty one of this wharf's format.
    pub fn new(compression: Compression) -> Self {
        Self {
            format: FORMAT,
            compression,
            imports: BTreeMap::new(),
            readings: BTreeMap::new(),
            suites: BTreeMap::new(),
            scripts: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// The packages of an image, sorted by name; none where it is not locked.
    pub fn packages_of<'a>(
        &'a self,
        distro: &DistroName,
        arch: &ArchName,
        member: &Member,
    ) -> Option<Vec<&'a LockedPackage>> {
        let target = self.targets.get(&(distro.clone(), arch.clone()))?;
        target.members.get(member)?;
        Some(target.packages_of(member).collect())
    }
}

/// Which suite of which archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuiteKey {
    /// Of this distro.
    pub distro: DistroName,
    /// The archive's name in the spec.
    pub archive: String,
    /// As `trixie-updates`.
    pub suite: String,
}

/// A suite as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedSuite {
    /// `Date` of its Release, seconds since 1970; a later lock refuses an older one.
    pub date: i64,
    /// Of the InRelease file.
    pub release: Digest,
}

/// Which maintainer script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScriptKey {
    /// Of this distro.
    pub distro: DistroName,
    /// The package.
    pub package: PackageName,
    /// Which of its scripts.
    pub kind: ScriptKind,
}

/// A script whose text is not the one that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Digest of its normalised rest now.
    pub rest: Digest,
    /// A person looked at it: `lock --accept`.
    pub accepted: bool,
}

/// What is locked for one distro and arch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// By name: one version per package.
    pub packages: BTreeMap<PackageName, LockedPackage>,
    /// Images and tools.
    pub members: BTreeMap<Member, LockedImage>,
    /// Packages of images that hold other versions than the rest (`versions "own"`).
    pub own: BTreeMap<ImageName, BTreeMap<PackageName, LockedPackage>>,
}

impl Target {
    /// The packages of a member, sorted by name.
    pub fn packages_of<'a>(&'a self, member: &Member) -> impl Iterator<Item = &'a LockedPackage> {
        let groups: BTreeSet<u32> =
            self.members.get(member).map(|image| image.groups.iter().copied().collect()).unwrap_or_default();
        let own = match member {
            Member::Image(name) | Member::Builder(name) => self.own.get(name),
            Member::Tool(_) => None,
        };
        let shared = if own.is_some() { None } else { Some(&self.packages) };
        own.into_iter().flat_map(|packages| packages.values()).chain(shared.into_iter().flat_map(move |packages| {
            let groups = groups.clone();
            packages.values().filter(move |package| groups.contains(&package.group))
        }))
    }
}

/// Who holds packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// An image.
    Image(ImageName),
    /// An image with the packages that only its steps need.
    Builder(ImageName),
    /// A tool that runs on a build host of this arch, as `bytecode`.
    Tool(String),
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: PackageName,
    /// Its version, as written.
    pub version: String,
    /// The distro's word for its arch: `amd64`, `all`.
    pub arch: String,
    /// The source package and its version.
    pub source: (PackageName, String),
    /// The archive's name in the spec.
    pub archive: String,
    /// Path below the archive's address.
    pub path: String,
    /// Bytes of the .deb.
    pub size: u64,
    /// Of the .deb.
    pub sha256: Digest,
    /// Of each maintainer script's text.
    pub scripts: BTreeMap<ScriptKind, Digest>,
    /// Of the fragment's uncompressed bytes.
    pub fragment: Digest,
    /// Of the bytecode's uncompressed bytes, where the package holds python.
    pub bytecode: Option<Digest>,
    /// Packages of one group are in exactly the same images.
    pub group: u32,
}

/// One image or tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedImage {
    /// The image in `from`.
    pub parent: Option<ImageName>,
    /// Of all that the choice of packages follows from: wanted names, bounds, pins.
    pub inputs: Option<Digest>,
    /// Wanted by name, as resolved.
    pub roots: BTreeSet<PackageName>,
    /// The groups that it holds.
    pub groups: BTreeSet<u32>,
}
