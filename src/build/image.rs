//! One image: what it is made of, and its manifest in the store.

use std::sync::Arc;

use crate::deb::PackageInfo;
use crate::estate::{Arch, Distro, Image, ImageConfig, ImageKey};
use crate::layer::{self, Fragment};
use crate::oci::{Annotations, Descriptor, ImageRecord, LayerRecord, Store};

use super::error::BuildError;
use super::workshop::Workshop;

/// An image that is in the store.
#[derive(Debug, Clone)]
pub struct Built {
    /// Which.
    pub key: ImageKey,
    /// Its manifest.
    pub manifest: Descriptor,
    /// The lowest first.
    pub layers: Vec<LayerRecord>,
    /// Seconds since 1970.
    pub created: i64,
    /// What it says of itself.
    pub annotations: Annotations,
}

/// The key of an image.
pub fn key(image: &Image) -> ImageKey {
    ImageKey { image: image.name.clone(), distro: image.distro.clone(), arch: image.arch.clone() }
}

/// Builds `image` and puts it into `store`. `strict` refuses scripts that changed since they were judged.
pub fn build(workshop: &Workshop<'_>, store: &Store, image: &Image, strict: bool) -> Result<Built, BuildError> {
    let (_, arch) = workshop.place(image)?;
    let made = workshop.made(store, image, strict)?;
    let version = version(image, &made.packages);
    let config = config(image, version.as_deref());
    let annotations = Annotations {
        title: Some(image.name.to_string()),
        description: image.summary.as_deref().map(|summary| filled(summary, version.as_deref())),
        version,
        ..Annotations::default()
    };
    let (layers, created) = (made.layers.clone(), made.created);
    let record = ImageRecord {
        config: &config,
        arch: &image.arch,
        oci_arch: &arch.oci,
        layers: layers.clone(),
        created,
        annotations: annotations.clone(),
    };
    Ok(Built { key: key(image), manifest: record.write(store)?, layers, created, annotations })
}

/// The upstream version of the package that `version-from` names, else of the first of `packages`
/// (Debian Policy 5.6.12: without epoch and revision).
fn version(image: &Image, packages: &[PackageInfo]) -> Option<String> {
    let first = || image.levels.iter().rev().find_map(|level| level.packages.first()).map(|package| &package.name);
    let name = image.version_from.as_ref().or_else(first)?;
    let package = packages.iter().find(|package| package.name == *name)?;
    let version = package.version.split_once(':').map_or(package.version.as_str(), |(_, rest)| rest);
    Some(version.rsplit_once('-').map_or(version, |(upstream, _)| upstream).to_owned())
}

/// The image's configuration with `${version}` filled in.
fn config(image: &Image, version: Option<&str>) -> ImageConfig {
    let mut config = image.config.clone();
    for value in config.env.values_mut().chain(config.labels.values_mut()) {
        *value = filled(value, version);
    }
    config
}

/// `${version}` filled in, where it is known.
fn filled(text: &str, version: Option<&str>) -> String {
    version.map_or_else(|| text.to_owned(), |version| text.replace("${version}", version))
}

impl<'a> Workshop<'a> {
    /// The distro and arch of an image.
    pub(super) fn place(&self, image: &Image) -> Result<(&'a Distro, &'a Arch), BuildError> {
        let distro = self.project.distros.get(&image.distro);
        distro.zip(self.project.arches.get(&image.arch)).ok_or_else(|| BuildError::NotLocked(key(image)))
    }

    /// Writes a layer, unless the store has it already.
    pub(super) fn layer(
        &self,
        store: &Store,
        parts: &[Arc<Fragment>],
        created_by: String,
    ) -> Result<LayerRecord, BuildError> {
        let compression = self.fragments.compression();
        let known = layer::known(parts, compression, self.fragments.cache())?;
        let facts = match known.filter(|facts| store.has(&facts.digest)) {
            Some(facts) => facts,
            None => {
                let mut scratch = store.scratch()?;
                let facts =
                    layer::write(parts, compression, self.threads, self.fragments.cache(), scratch.as_file_mut())?;
                store.keep(scratch, &facts.digest)?;
                facts
            }
        };
        let layer::LayerFacts { digest, diff_id, size, .. } = facts;
        Ok(LayerRecord { compression, digest, diff_id, size, created_by })
    }
}
