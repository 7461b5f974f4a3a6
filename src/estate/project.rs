//! A project: everything that its specs say, resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::digest::Digest;
use crate::name::{ArchName, DistroName, EstateName, ImageName, ServiceName};
use crate::spec::{Origin, Sources, Span};

use super::{Arch, Compression, Distro, Estate, Image, Layering, Placed, Service, Template, Tier};

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

/// What is true of an image wherever it is built.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSpec {
    /// As `keystone`.
    pub name: ImageName,
    /// Its parent.
    pub from: Option<ImageName>,
    /// One line for people.
    pub summary: Option<String>,
    /// The tier that the image itself claims; best-effort where it claims none.
    pub tier: Tier,
    /// `deprecated since=`.
    pub deprecated_since: Option<String>,
    /// `deprecated removed=`.
    pub removed_in: Option<String>,
    /// Whether the project or an import defines it.
    pub origin: Origin,
    /// The image's own node.
    pub span: Span,
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
    /// What is true of an image wherever it is built, imported ones too.
    pub specs: BTreeMap<ImageName, ImageSpec>,
    /// The images that "all" means: the project's own, those of `want`, and their ancestors.
    pub wanted: BTreeSet<ImageName>,
    /// Every service, imported ones too.
    pub services: BTreeMap<ServiceName, Service>,
    /// Every estate, imported ones too.
    pub estates: BTreeMap<EstateName, Estate>,
    /// Where the services of each estate run.
    pub placed: BTreeMap<EstateName, Placed>,
    /// Every file below templates/, imported ones too; one's own counts where both have one.
    pub templates: BTreeMap<String, Template>,
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
