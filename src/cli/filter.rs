//! Which images the views show.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::{Failure, each};
use crate::build::{self, Request};
use crate::estate::{Image, ImageKey, ImageSpec, Project, Tier};
use crate::name::{ArchName, DistroName, ImageName};

/// A tier on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TierName {
    /// Tested and fixed
    Maintained,
    /// Built and looked at when it breaks
    BestEffort,
    /// Nobody looks
    Unmaintained,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Maintained => Self::Maintained,
            TierName::BestEffort => Self::BestEffort,
            TierName::Unmaintained => Self::Unmaintained,
        }
    }
}

/// Filters of the views.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Only what has this tier there
    #[arg(long = "tier", value_name = "TIER", value_delimiter = ',')]
    tiers: Vec<TierName>,
    /// Only for these distros
    #[arg(long = "distro", value_name = "DISTRO", value_delimiter = ',')]
    distros: Vec<String>,
    /// Only for these arches
    #[arg(long = "arch", value_name = "ARCH", value_delimiter = ',')]
    arches: Vec<String>,
    /// Only images that the project wants: what `build` builds (the default)
    #[arg(long)]
    wanted: bool,
    /// Imported images that the project does not want, too
    #[arg(long, conflicts_with = "wanted")]
    all: bool,
}

/// An image and where it is, or is not, built.
#[derive(Debug)]
pub struct Entry<'p> {
    /// What is true of it everywhere.
    pub spec: &'p ImageSpec,
    /// Whether the project wants it.
    pub wanted: bool,
    /// By distro and arch.
    pub builds: Vec<&'p Image>,
    /// Where it cannot be built, and why; none where tiers are asked for.
    pub unbuildable: Vec<(&'p ImageKey, &'p str)>,
}

impl Filter {
    /// The images that are left; names of the filter that nothing has are errors.
    pub fn entries<'p>(&self, project: &'p Project) -> Result<Vec<Entry<'p>>, Failure> {
        self.check(project)?;
        let tiers: BTreeSet<Tier> = self.tiers.iter().map(|tier| Tier::from(*tier)).collect();
        let entry = |(name, spec): (&'p ImageName, &'p ImageSpec)| {
            let wanted = project.wanted.contains(name);
            let of = |key: &ImageKey| key.image == *name && self.here(&key.distro, &key.arch);
            let tier = |image: &Image| tiers.is_empty() || tiers.contains(&image.support.tier);
            let builds = project.images.iter().filter(|(key, image)| of(key) && tier(image));
            let unbuildable = project.unbuildable.iter().filter(|(key, _)| tiers.is_empty() && of(key));
            Entry {
                spec,
                wanted,
                builds: builds.map(|(_, image)| image).collect(),
                unbuildable: unbuildable.map(|(key, reason)| (key, reason.as_str())).collect(),
            }
        };
        let entries = project.specs.iter().map(entry).filter(|entry| self.all || entry.wanted);
        Ok(entries.filter(|entry| !entry.builds.is_empty() || !entry.unbuildable.is_empty()).collect())
    }

    /// Whether a distro and an arch are among those asked for.
    pub fn here(&self, distro: &DistroName, arch: &ArchName) -> bool {
        let is = |list: &[String], name: &str| list.is_empty() || list.iter().any(|known| known == name);
        is(&self.distros, distro.as_str()) && is(&self.arches, arch.as_str())
    }

    /// Whether a tier is among those asked for.
    pub fn has_tier(&self, tier: Tier) -> bool {
        self.tiers.is_empty() || self.tiers.iter().any(|asked| Tier::from(*asked) == tier)
    }

    /// Names of the filter that nothing has.
    pub fn check(&self, project: &Project) -> Result<(), Failure> {
        let request = Request { images: Vec::new(), distros: self.distros.clone(), arches: self.arches.clone() };
        build::select(project, &request).map(|_| ()).map_err(each)
    }
}
