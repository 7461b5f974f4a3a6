//! A project: everything that its specs say, resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::digest::Digest;
use crate::name::{ArchName, DistroName, ImageName};
use crate::spec::Sources;

use super::{Arch, Compression, Distro, Image, Layering};

/// Which image, for what: the order of outputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey {
    /// The image.
    pub image: ImageName,
    /// Its distro.
    pub distro: DistroName,
    /// Its arch.
    pub arch: ArchName,
}

/// A project, resolved: what every verb starts from.
#[derive(Debug)]
pub struct Project {
    /// The folder that holds specs/.
    pub root: PathBuf,
    /// Every text that was read, for messages.
    pub sources: Sources,
    /// `arch` nodes.
    pub arches: BTreeMap<ArchName, Arch>,
    /// `distro` nodes.
    pub distros: BTreeMap<DistroName, Distro>,
    /// Every image on every distro and arch that it can be built for, imported ones too.
    pub images: BTreeMap<ImageKey, Image>,
    /// Images that exist but not there, with the reason.
    pub unbuildable: BTreeMap<ImageKey, String>,
    /// The images that "all" means: the project's own, those of `want`, and their ancestors.
    pub wanted: BTreeSet<ImageName>,
    /// Imports by their text, each with the digest of all that it brought.
    pub imports: BTreeMap<String, Digest>,
    /// `compression` of the project.
    pub compression: Compression,
    /// `layering` of the project.
    pub layering: Layering,
}

impl Project {
    /// The distro that `NAME:latest` means: the one marked so, or the only one.
    pub fn default_distro(&self) -> Option<&Distro> {
        let mut distros = self.distros.values();
        distros.clone().find(|distro| distro.default).or_else(|| distros.next().filter(|_| self.distros.len() == 1))
    }
}
