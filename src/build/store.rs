//! Many images into one store: packages gathered, images built side by side, refs written at the end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::digest::Digest;
use crate::estate::{Image, ImageKey};
use crate::fetch::on_threads;
use crate::name::{ArchName, DistroName, ImageName};
use crate::oci::{Descriptor, Ref, Store, index, media};
use crate::progress::Phase;

use super::error::BuildError;
use super::image::{Built, build};
use super::workshop::Workshop;

/// What a build gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Images that are in the store, in order.
    pub built: Vec<Built>,
    /// An index for each image and distro whose arches are all there.
    pub indexes: BTreeMap<(ImageName, DistroName), Digest>,
    /// What went wrong; other images are built all the same.
    pub wrong: Vec<BuildError>,
}

/// Builds `images` into `store` and names them there.
pub fn build_all(
    workshop: &Workshop<'_>,
    store: &Store,
    images: &[&Image],
    strict: bool,
) -> Result<Outcome, BuildError> {
    let mut outcome = Outcome::default();
    for (name, packages) in workshop.packages_of(images) {
        let Some(distro) = workshop.project.distros.get(&name) else { continue };
        if let Err(errors) = workshop.gather(distro, packages.values()) {
            outcome.wrong.extend(errors);
        }
    }
    if !outcome.wrong.is_empty() {
        return Ok(outcome);
    }
    let progress = workshop.access.progress;
    progress.expect(Phase::Build, images.len() as u64);
    // Plain threads: a layer waits for its blocks, and rayon's threads are for what computes them.
    let results = on_threads(images, workshop.threads, |image| {
        let result = build(workshop, store, image, strict);
        progress.advance(Phase::Build, 1, image.name.as_str());
        ControlFlow::Continue(result)
    });
    progress.finish(Phase::Build);
    for result in results.into_iter().flatten() {
        match result {
            Ok(built) => outcome.built.push(built),
            // It is told of where it was tried first.
            Err(BuildError::Ground { key, on }) if key == on => {}
            Err(error) => outcome.wrong.push(error),
        }
    }
    name(workshop, store, &mut outcome)?;
    Ok(outcome)
}

/// Writes refs: each image's manifest, and an index where every arch that the image is built for was built now. What
/// is in the store from before may follow from another lock: it gets into no new index.
fn name(workshop: &Workshop<'_>, store: &Store, outcome: &mut Outcome) -> Result<(), BuildError> {
    let mut refs: Vec<(Ref, Descriptor)> = Vec::new();
    let mut arches: BTreeMap<(ImageName, DistroName), BTreeMap<ArchName, &Built>> = BTreeMap::new();
    for built in &outcome.built {
        let ImageKey { image, distro, arch } = &built.key;
        refs.push((Ref::manifest(image, distro, arch), built.manifest.clone()));
        arches.entry((image.clone(), distro.clone())).or_default().insert(arch.clone(), built);
    }
    for ((image, distro), here) in arches {
        let mut wanted = workshop.project.images.keys().filter(|key| key.image == image && key.distro == distro);
        let Some(first) = here.values().next().filter(|_| wanted.all(|key| here.contains_key(&key.arch))) else {
            continue;
        };
        let created = here.values().map(|built| built.created).max().unwrap_or(0);
        let manifests = here.iter().map(|(arch, built)| (arch.clone(), built.manifest.clone())).collect();
        let document = index(&manifests, &first.annotations, created)?;
        let descriptor = store.put_bytes(media::INDEX, &document)?;
        outcome.indexes.insert((image.clone(), distro.clone()), descriptor.digest);
        if workshop.project.default_distro().is_some_and(|default| default.name == distro) {
            refs.push((Ref::latest(&image), descriptor.clone()));
        }
        refs.push((Ref::index(&image, &distro), descriptor));
    }
    Ok(store.tag(&refs)?)
}
