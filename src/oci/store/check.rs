//! Whether a store is whole: what fsck is to a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};

use super::select::is_index;
use super::{Result, Store, StoreError};
use crate::digest::Digest;
use crate::oci::document::{Descriptor, Index, Manifest};

/// One thing that is wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A file among the blobs whose name is no digest.
    Stray(String),
    /// A blob with other bytes than its name says.
    Corrupt(Digest),
    /// A blob that something names is not there.
    Missing {
        /// What names it.
        by: String,
        /// The blob.
        digest: Digest,
    },
    /// A blob has another size than what names it says.
    Size {
        /// What names it.
        by: String,
        /// The blob.
        digest: Digest,
    },
    /// A manifest or index that cannot be read.
    Unreadable(Digest),
}

impl Store {
    /// Reads every blob and follows every name. Empty where the store is whole.
    pub fn verify(&self) -> Result<Vec<Fault>> {
        let mut faults = BTreeSet::new();
        let mut sizes = BTreeMap::new();
        let folder = self.blobs();
        for entry in fs::read_dir(&folder).map_err(StoreError::at(&folder))? {
            let entry = entry.map_err(StoreError::at(&folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(digest) = Digest::from_hex(&name) else {
                faults.insert(Fault::Stray(name));
                continue;
            };
            let path = entry.path();
            let (found, size) =
                File::open(&path).and_then(|mut file| Digest::of_reader(&mut file)).map_err(StoreError::at(&path))?;
            sizes.insert(digest, size);
            if found != digest {
                faults.insert(Fault::Corrupt(digest));
            }
        }
        self.reach(&mut |by, blob| {
            match sizes.get(&blob.digest) {
                None => faults.insert(Fault::Missing { by: by.to_owned(), digest: blob.digest }),
                Some(size) if *size != blob.size => {
                    faults.insert(Fault::Size { by: by.to_owned(), digest: blob.digest })
                }
                Some(_) => return Ok(true),
            };
            Ok(false)
        })
        .or_else(|error| match error {
            StoreError::Document { ref what, .. } => match what.parse() {
                Ok(digest) => {
                    faults.insert(Fault::Unreadable(digest));
                    Ok(())
                }
                Err(_) => Err(error),
            },
            StoreError::Corrupt { .. } => Ok(()),
            other => Err(other),
        })?;
        Ok(faults.into_iter().collect())
    }

    /// Shows `visit` each blob that the index names, with what names it; follows a manifest or index where `visit`
    /// says so.
    pub(super) fn reach(&self, visit: &mut dyn FnMut(&str, &Descriptor) -> Result<bool>) -> Result<()> {
        self.reach_from("index.json", self.index()?.manifests, visit)
    }

    pub(super) fn reach_from(
        &self,
        by: &str,
        roots: Vec<Descriptor>,
        visit: &mut dyn FnMut(&str, &Descriptor) -> Result<bool>,
    ) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(String, Descriptor)> = roots.into_iter().map(|root| (by.to_owned(), root)).collect();
        while let Some((by, blob)) = open.pop() {
            if !visit(&by, &blob)? || !seen.insert(blob.digest) {
                continue;
            }
            let name = blob.digest.to_string();
            if is_index(&blob.media_type) {
                let index: Index = self.document(&blob.digest)?;
                open.extend(index.manifests.into_iter().map(|entry| (name.clone(), entry)));
            } else if is_manifest(&blob.media_type) {
                let manifest: Manifest = self.document(&blob.digest)?;
                for part in manifest.layers.into_iter().chain([manifest.config]) {
                    visit(&name, &part)?;
                }
            }
        }
        Ok(())
    }

    /// Every blob of an image, itself included, each once, sorted by digest.
    pub(in crate::oci) fn blobs_of(&self, image: &Descriptor) -> Result<Vec<Descriptor>> {
        let mut found = BTreeMap::new();
        self.reach_from("the image", vec![image.bare()], &mut |_, blob| {
            found.insert(blob.digest, blob.bare());
            Ok(true)
        })?;
        Ok(found.into_values().collect())
    }
}

fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, crate::oci::document::media::MANIFEST | "application/vnd.docker.distribution.manifest.v2+json")
}
