//! What locking and building work with: the project, its lock, archives, and the fragments of packages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::buildah::{Buildah, Driver};
use crate::deb::archive::{Access, fetch_debs};
use crate::digest::Digest;
use crate::estate::{Arch, Bytecode, Distro, Image, Project};
use crate::layer::{Fragment, Fragments};
use crate::lock::{Lock, LockedPackage, Member};
use crate::name::DistroName;
use crate::progress::Phase;

use super::bytecode::{self, Compilers, Opened};
use super::error::BuildError;
use super::made::Memory;
use super::steps::Secrets;

/// What a build works with.
pub struct Workshop<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its lock.
    pub lock: &'a Lock,
    /// The archives, and who hears how far it is.
    pub access: Access<'a>,
    /// Fragments in the cache.
    pub fragments: &'a Fragments,
    /// How many threads compute at once.
    pub threads: usize,
    /// This machine's arch.
    pub host: Option<&'a Arch>,
    /// Python interpreters, opened when first needed.
    pub compilers: Compilers,
    /// Images that others are built on.
    pub memory: Memory,
    /// buildah, looked for when first needed.
    pub engine: OnceLock<Option<Buildah>>,
    /// Where steps are run, and what lasts of them is kept.
    pub steps: PathBuf,
    /// Files with the secrets that steps may read.
    pub secrets: Secrets,
}

impl Workshop<'_> {
    /// All packages of `images`, by distro, each .deb once.
    pub fn packages_of(&self, images: &[&Image]) -> BTreeMap<DistroName, BTreeMap<Digest, LockedPackage>> {
        let mut all: BTreeMap<DistroName, BTreeMap<Digest, LockedPackage>> = BTreeMap::new();
        for image in images {
            let here = all.entry(image.distro.clone()).or_default();
            let builder = (!image.build_packages().is_empty()).then(|| Member::Builder(image.name.clone()));
            for member in image.levels.iter().map(|level| Member::Image(level.image.clone())).chain(builder) {
                let packages = self.lock.packages_of(&image.distro, &image.arch, &member).unwrap_or_default();
                here.extend(packages.into_iter().map(|package| (package.sha256, package.clone())));
            }
        }
        all
    }

    /// Makes the fragments and the bytecode of `packages` that the cache does not have, and fetches their .debs
    /// before. Gives the first error of each package.
    pub fn gather<'p>(
        &self,
        distro: &Distro,
        packages: impl IntoIterator<Item = &'p LockedPackage>,
    ) -> Result<(), Vec<BuildError>> {
        let packages: Vec<&LockedPackage> = packages.into_iter().collect();
        gather(self.access, self.fragments, self.lock, distro, packages.iter().copied())?;
        bytecode::prepare(self, distro, packages)
    }

    /// buildah, where it is here and will do.
    pub(super) fn buildah(&self) -> Result<&Buildah, BuildError> {
        let mut wrong = None;
        let found = self.engine.get_or_init(|| match Buildah::find(&self.steps) {
            Ok(buildah) => {
                if buildah.driver == Driver::Vfs {
                    self.access
                        .progress
                        .note("steps run on whole copies of their images (vfs): the kernel gives no overlay here");
                }
                Some(buildah)
            }
            Err(error) => {
                wrong = Some(error);
                None
            }
        });
        match (found, wrong) {
            (Some(buildah), _) => Ok(buildah),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(BuildError::NoEngine),
        }
    }

    pub(super) fn compiler(&self, distro: &Distro, bytecode: &Bytecode) -> Result<Arc<Opened>, BuildError> {
        self.compilers.get(self.lock, distro, bytecode, self.host, self.access, self.fragments)
    }

    /// The fragment of a locked package, which must be the one that was locked.
    pub fn fragment(&self, package: &LockedPackage, distro: &Distro) -> Result<Arc<Fragment>, BuildError> {
        let found = match self.fragments.find(&package.sha256, &distro.filters) {
            Some(fragment) => fragment,
            None => gather(self.access, self.fragments, self.lock, distro, [package])
                .map_err(|mut errors| errors.pop().unwrap_or_else(|| BuildError::NoFragment(package.name.clone())))?
                .remove(&package.sha256)
                .ok_or_else(|| BuildError::NoFragment(package.name.clone()))?,
        };
        if found.diff_id == package.fragment {
            return Ok(found);
        }
        let (expected, found) = (package.fragment, found.diff_id);
        Err(BuildError::Fragment { package: package.name.clone(), expected, found })
    }
}

/// The fragments of `packages`: from the cache, or made of .debs that are fetched now. One that is not good is named,
/// and taken out of the cache again.
pub(super) fn gather<'p>(
    access: Access<'_>,
    fragments: &Fragments,
    lock: &Lock,
    distro: &Distro,
    packages: impl IntoIterator<Item = &'p LockedPackage>,
) -> Result<BTreeMap<Digest, Arc<Fragment>>, Vec<BuildError>> {
    let packages: BTreeMap<Digest, &LockedPackage> =
        packages.into_iter().map(|package| (package.sha256, package)).collect();
    let mut found: BTreeMap<Digest, Arc<Fragment>> = packages
        .par_iter()
        .filter_map(|(sha256, _)| Some((*sha256, fragments.find(sha256, &distro.filters)?)))
        .collect();
    let missing: Vec<&LockedPackage> =
        packages.iter().filter(|(sha256, _)| !found.contains_key(sha256)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let debs = fetch_debs(access, distro, missing.iter().copied(), &lock.suites).map_err(|error| vec![error.into()])?;
    access.progress.expect(Phase::Unpack, missing.len() as u64);
    let made: Vec<Result<(Digest, Arc<Fragment>), BuildError>> = missing
        .par_iter()
        .map(|package| {
            let deb = debs.get(&package.sha256).ok_or_else(|| BuildError::NoFragment(package.name.clone()))?;
            let fragment = fragments.make(deb, &package.sha256, &distro.filters);
            let fragment = fragment.map_err(|error| error.of(&package.name));
            access.progress.advance(Phase::Unpack, 1, package.name.as_str());
            Ok((package.sha256, fragment?))
        })
        .collect();
    access.progress.finish(Phase::Unpack);
    let mut wrong = Vec::new();
    for result in made {
        match result {
            Ok((sha256, fragment)) => {
                found.insert(sha256, fragment);
            }
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}
