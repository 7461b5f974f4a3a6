//! What changed between two images.

mod config;
mod files;
mod packages;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::digest::Digest;
use crate::path::ImagePath;

use super::flat::Scan;
use super::{Descriptor, Flat, OciError, Selected, Store};

pub use config::FieldChange;
pub use files::{FileChange, FileFacts};
pub use packages::PackageChange;

/// What changed between two images, arch by arch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDiff {
    /// Arches that both have, by name; without those that are one and the same manifest.
    pub changed: Vec<ArchDiff>,
    /// Arches that are one and the same manifest.
    pub same: Vec<String>,
    /// Arches that only the new one has.
    pub added: Vec<String>,
    /// Arches that only the old one has.
    pub removed: Vec<String>,
}

/// What changed for one arch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchDiff {
    /// The arch; where two manifests of different arches are compared, both.
    pub arch: String,
    /// The old manifest.
    pub old: Side,
    /// The new manifest.
    pub new: Side,
    /// Compressed bytes that a host which has the old one pulls: layers and configuration.
    pub pull: u64,
    /// Fields of the configuration.
    pub config: Vec<FieldChange>,
    /// Debian packages, by name.
    pub packages: Vec<PackageChange>,
    /// Paths, sorted.
    pub files: Vec<FileChange>,
}

/// One of the two manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Of the manifest.
    pub digest: Digest,
    /// The lowest first.
    pub layers: Vec<LayerFacts>,
}

/// A layer of one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerFacts {
    /// Of the blob.
    pub digest: Digest,
    /// Compressed bytes.
    pub size: u64,
    /// What it is.
    pub created_by: Option<String>,
    /// The other image has it as well.
    pub shared: bool,
}

/// Compares two images of a store. Two indexes are compared arch by arch; two manifests as they are.
pub fn diff(store: &Store, old: &Descriptor, new: &Descriptor) -> Result<ImageDiff, OciError> {
    let (old, new) = (store.arches(old)?, store.arches(new)?);
    if let ([old], [new]) = (old.as_slice(), new.as_slice()) {
        let arch = if old.arch == new.arch { old.arch.clone() } else { format!("{} and {}", old.arch, new.arch) };
        return of_pairs(store, vec![(arch, old, new)], Vec::new(), Vec::new());
    }
    fn by_arch(images: &[Selected]) -> BTreeMap<&str, &Selected> {
        images.iter().map(|one| (one.arch.as_str(), one)).collect()
    }
    let (old, new) = (by_arch(&old), by_arch(&new));
    let pairs = old.iter().filter_map(|(arch, old)| Some((arch.to_string(), *old, *new.get(arch)?))).collect();
    let only = |here: &BTreeMap<&str, &Selected>, there: &BTreeMap<&str, &Selected>| {
        here.keys().filter(|arch| !there.contains_key(*arch)).map(ToString::to_string).collect()
    };
    of_pairs(store, pairs, only(&new, &old), only(&old, &new))
}

fn of_pairs(
    store: &Store,
    pairs: Vec<(String, &Selected, &Selected)>,
    added: Vec<String>,
    removed: Vec<String>,
) -> Result<ImageDiff, OciError> {
    let mut diff = ImageDiff { changed: Vec::new(), same: Vec::new(), added, removed };
    for (arch, old, new) in pairs {
        if old.descriptor.digest == new.descriptor.digest {
            diff.same.push(arch);
        } else {
            diff.changed.push(of_arch(store, arch, old, new)?);
        }
    }
    Ok(diff)
}

fn of_arch(store: &Store, arch: String, old: &Selected, new: &Selected) -> Result<ArchDiff, OciError> {
    let known: BTreeSet<Digest> = old.manifest.layers.iter().map(|layer| layer.digest).collect();
    let mut fetched = BTreeSet::new();
    let layers = new.manifest.layers.iter().chain([&new.manifest.config]);
    let pull = layers
        .filter(|layer| !known.contains(&layer.digest) && layer.digest != old.manifest.config.digest)
        .filter(|layer| fetched.insert(layer.digest))
        .map(|layer| layer.size)
        .sum();
    let (before, after) = trees(store, old, new)?;
    Ok(ArchDiff {
        arch,
        old: side(old, new),
        new: side(new, old),
        pull,
        config: config::changes(&old.configuration, &new.configuration)?,
        packages: packages::changes(&installed(store, &before)?, &installed(store, &after)?),
        files: files::changes(&before, &after),
    })
}

/// Both trees; a layer that both have is read once.
fn trees(store: &Store, old: &Selected, new: &Selected) -> Result<(Flat, Flat), OciError> {
    let mut scans = BTreeMap::new();
    for layer in old.manifest.layers.iter().chain(&new.manifest.layers) {
        if let Entry::Vacant(place) = scans.entry(layer.digest) {
            place.insert(Scan::of(store, layer, true)?);
        }
    }
    let tree = |one: &Selected| Flat::of_scans(one.manifest.layers.iter().filter_map(|layer| scans.get(&layer.digest)));
    Ok((tree(old)?, tree(new)?))
}

fn side(one: &Selected, other: &Selected) -> Side {
    let others: BTreeSet<Digest> = other.manifest.layers.iter().map(|layer| layer.digest).collect();
    let mut texts = one.configuration.history.iter().filter(|entry| !entry.empty_layer);
    let layers = one.manifest.layers.iter().map(|layer| LayerFacts {
        digest: layer.digest,
        size: layer.size,
        created_by: texts.next().and_then(|entry| entry.created_by.clone()),
        shared: others.contains(&layer.digest),
    });
    Side { digest: one.descriptor.digest, layers: layers.collect() }
}

fn installed(store: &Store, flat: &Flat) -> Result<BTreeMap<String, String>, OciError> {
    /// dpkg's status of a full desktop is 6 MB.
    const LIMIT: u64 = 256 << 20;
    let Ok(path) = ImagePath::new("/var/lib/dpkg/status") else { return Ok(BTreeMap::new()) };
    let status = flat.read(store, &path, LIMIT)?.unwrap_or_default();
    Ok(packages::installed(&String::from_utf8_lossy(&status)))
}
