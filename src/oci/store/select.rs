//! From a text to an image, and from an image to one arch's manifest.

use super::{Result, Store, StoreError};
use crate::digest::Digest;
use crate::oci::document::{Configuration, Descriptor, Index, Manifest, Platform, media};
use crate::oci::record::ARCH;
use crate::oci::reference::Ref;

/// One arch of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The name of the arch: as its `arch` node has it, else Go's.
    pub arch: String,
    /// What it runs on.
    pub platform: Platform,
    /// Names the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub configuration: Configuration,
}

impl Store {
    /// What a text names: `NAME:TAG`, `NAME` (its `latest`), or the digest of a manifest or index.
    pub fn resolve(&self, text: &str) -> Result<Descriptor> {
        if let Ok(digest) = text.parse::<Digest>() {
            return self.resolve_digest(&digest);
        }
        let refs = self.refs()?;
        let found = Ref::new(text)
            .ok()
            .and_then(|name| refs.get(&name).cloned())
            .or_else(|| refs.get(&Ref::new(format!("{text}:latest")).ok()?).cloned());
        found.ok_or_else(|| StoreError::Unknown {
            store: self.root.clone(),
            text: text.to_owned(),
            help: nearest(text, refs.keys().map(Ref::as_str)),
        })
    }

    fn resolve_digest(&self, digest: &Digest) -> Result<Descriptor> {
        #[derive(serde::Deserialize)]
        struct Sniff {
            #[serde(rename = "mediaType")]
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
        }
        let bytes = self.read(digest)?;
        let sniff: Sniff = self.decode(digest, &bytes)?;
        let media_type = match (sniff.media_type, sniff.manifests, sniff.layers) {
            (Some(media_type), Some(_), _) | (Some(media_type), _, Some(_)) => media_type,
            (None, Some(_), _) => media::INDEX.to_owned(),
            (None, None, Some(_)) => media::MANIFEST.to_owned(),
            _ => return Err(self.no_document(digest, "it is neither a manifest nor an index")),
        };
        Ok(Descriptor::new(&media_type, *digest, bytes.len() as u64))
    }

    /// Every arch of an image, by name: all of an index, or the one of a manifest.
    pub fn arches(&self, image: &Descriptor) -> Result<Vec<Selected>> {
        let mut found = match is_index(&image.media_type) {
            true => {
                let index: Index = self.document(&image.digest)?;
                index.manifests.iter().map(|entry| self.select(entry)).collect::<Result<Vec<_>>>()?
            }
            false => vec![self.select(image)?],
        };
        found.sort_by(|a, b| a.arch.cmp(&b.arch));
        Ok(found)
    }

    fn select(&self, descriptor: &Descriptor) -> Result<Selected> {
        if is_index(&descriptor.media_type) {
            return Err(self.no_document(&descriptor.digest, "an index within an index is not supported"));
        }
        let manifest: Manifest = self.document(&descriptor.digest)?;
        let configuration: Configuration = self.document(&manifest.config.digest)?;
        let platform = Platform {
            architecture: configuration.architecture.clone(),
            os: configuration.os.clone(),
            variant: configuration.variant.clone(),
        };
        let arch = manifest.annotations.get(ARCH).cloned().unwrap_or_else(|| platform.architecture.clone());
        Ok(Selected { arch, platform, descriptor: descriptor.clone(), manifest, configuration })
    }
}

/// Whether a media type is that of an index, Docker's included.
pub(in crate::oci) fn is_index(media_type: &str) -> bool {
    media_type == media::INDEX || media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
}

/// What to say of a name that is not there.
fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut scored: Vec<(f64, &str)> = known.map(|name| (strsim::jaro_winkler(text, name), name)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let near: Vec<String> =
        scored.iter().take(3).filter(|(score, _)| *score > 0.8).map(|(_, name)| format!("`{name}`")).collect();
    match (scored.is_empty(), near.is_empty()) {
        (true, _) => "it holds no image yet: `wharf build` makes them".to_owned(),
        (false, true) => "name it as `NAME:DISTRO`, `NAME:DISTRO-ARCH`, `NAME` or by its digest".to_owned(),
        (false, false) => format!("did you mean {}?", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_shown() {
        let known = ["keystone:debian-trixie", "keystone:latest", "nova:latest"];
        insta::assert_snapshot!(
            nearest("keyston:latest", known.into_iter()),
            @"did you mean `keystone:latest` or `keystone:debian-trixie`?"
        );
        insta::assert_snapshot!(
            nearest("zzz", known.into_iter()),
            @"name it as `NAME:DISTRO`, `NAME:DISTRO-ARCH`, `NAME` or by its digest"
        );
        insta::assert_snapshot!(nearest("a", std::iter::empty()), @"it holds no image yet: `wharf build` makes them");
    }

    #[test]
    fn a_digest_that_is_no_image_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = store.put_bytes("application/json", br#"{"a":1}"#).unwrap();
        assert!(matches!(store.resolve(&blob.digest.to_string()), Err(StoreError::Document { .. })));
    }
}
