//! Images that copy from others: those must be there, and none may need itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::ImageName;
use crate::spec::{Log, Mistake, Span, did_you_mean};

use super::super::{Image, ImageKey};

/// Reports what cannot be copied from.
pub(super) fn check(images: &BTreeMap<ImageKey, Image>, log: &mut Log) {
    let names: BTreeSet<&ImageName> = images.keys().map(|key| &key.image).collect();
    let mut told: BTreeSet<Span> = BTreeSet::new();
    for (key, image) in images {
        for (from, span) in own(image) {
            let wanted = ImageKey { image: from.clone(), ..key.clone() };
            if images.contains_key(&wanted) || !told.insert(span) {
                continue;
            }
            let mistake = if names.contains(from) {
                let message =
                    format!("`{from}` is not built for {} on {}, and `{}` is", key.distro, key.arch, key.image);
                let help = "let both be built for the same, or copy only `when` it is there";
                Mistake::new("not-built", span, message).label("copied from here").help(help)
            } else {
                let help = did_you_mean(from.as_str(), names.iter().map(|name| name.as_str()));
                let message = format!("there is no image `{from}` to copy from");
                Mistake::new("unknown-name", span, message).label("no such image").help_if(help)
            };
            log.push(mistake);
        }
    }
    for (key, image) in images {
        for (from, span) in own(image) {
            if needs(images, key, from, &mut BTreeSet::new()) && told.insert(span) {
                let message = format!("`{}` copies from `{from}`, which is made from `{}`", key.image, key.image);
                log.push(Mistake::new("cycle", span, message).label("goes round in a circle"));
            }
        }
    }
}

/// What an image's own steps copy from.
fn own(image: &Image) -> Vec<(&ImageName, Span)> {
    let inherited: BTreeSet<Span> =
        image.levels.iter().rev().skip(1).flat_map(|level| level.steps.iter().map(super::super::Step::span)).collect();
    image.copies().filter(|(_, span)| !inherited.contains(span)).collect()
}

/// Whether `image`, or what it is made from, is or needs `key`.
fn needs(
    images: &BTreeMap<ImageKey, Image>,
    key: &ImageKey,
    image: &ImageName,
    seen: &mut BTreeSet<ImageName>,
) -> bool {
    if *image == key.image {
        return true;
    }
    if !seen.insert(image.clone()) {
        return false;
    }
    let Some(found) = images.get(&ImageKey { image: image.clone(), ..key.clone() }) else { return false };
    let above = found.levels.iter().map(|level| &level.image).filter(|name| *name != image);
    above.chain(found.copies().map(|(name, _)| name)).any(|name| needs(images, key, name, seen))
}

/// `wanted` with all that is copied from, and what that is made from.
pub(super) fn with_sources(images: &BTreeMap<ImageKey, Image>, wanted: &mut BTreeSet<ImageName>) {
    let mut queue: Vec<ImageName> = wanted.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        for image in images.iter().filter(|(key, _)| key.image == name).map(|(_, image)| image) {
            let above = image.levels.iter().map(|level| &level.image);
            for other in above.chain(image.copies().map(|(name, _)| name)) {
                if wanted.insert(other.clone()) {
                    queue.push(other.clone());
                }
            }
        }
    }
}
