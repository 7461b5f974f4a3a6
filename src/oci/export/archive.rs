//! `oci-archive:FILE` and `docker-archive:FILE`.

use std::collections::BTreeSet;
use std::io::{Seek, Write};

use super::tar_writer::TarWriter;
use crate::oci::flat::uncompressed;
use crate::oci::{Descriptor, Index, OciError, Ref, Selected, Store, StoreError, canonical};

/// A tar of an OCI layout that holds this image alone.
pub(super) fn oci(
    store: &Store,
    image: &Descriptor,
    name: Option<&Ref>,
    out: &mut (impl Write + Seek),
) -> Result<(), OciError> {
    let mut entry = image.bare();
    if let Some(name) = name {
        entry.annotations.insert("org.opencontainers.image.ref.name".to_owned(), name.to_string());
    }
    let mut tar = TarWriter::new(out);
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    tar.file("oci-layout", layout.len() as u64, &mut layout.as_slice())?;
    let index = canonical(&Index::of(vec![entry]))?;
    tar.file("index.json", index.len() as u64, &mut index.as_slice())?;
    for blob in store.blobs_of(image)? {
        let mut file = store.open_blob(&blob.digest)?;
        let size = file.metadata().map_err(StoreError::at(&store.path(&blob.digest)))?.len();
        tar.file(&format!("blobs/sha256/{}", blob.digest.hex()), size, &mut file)?;
    }
    tar.finish()
}

/// The form of `docker save` (Docker image specification 1.2): uncompressed layers by their diffIDs, the configuration
/// by its digest, manifest.json.
pub(super) fn docker(
    store: &Store,
    image: &Selected,
    name: Option<&Ref>,
    out: &mut (impl Write + Seek),
) -> Result<(), OciError> {
    #[derive(serde::Serialize)]
    struct Entry {
        #[serde(rename = "Config")]
        config: String,
        #[serde(rename = "Layers")]
        layers: Vec<String>,
        #[serde(rename = "RepoTags")]
        tags: Vec<String>,
    }
    let mut tar = TarWriter::new(out);
    let diff_ids = &image.configuration.rootfs.diff_ids;
    let layers: Vec<String> = diff_ids.iter().map(|diff_id| format!("{}.tar", diff_id.hex())).collect();
    let config = format!("{}.json", image.manifest.config.digest.hex());
    let entry = Entry {
        config: config.clone(),
        layers: layers.clone(),
        tags: name.map(ToString::to_string).into_iter().collect(),
    };
    let manifest = canonical(&[entry])?;
    tar.file("manifest.json", manifest.len() as u64, &mut manifest.as_slice())?;
    let bytes = store.read(&image.manifest.config.digest)?;
    tar.file(&config, bytes.len() as u64, &mut bytes.as_slice())?;
    let mut written = BTreeSet::new();
    for (name, layer) in layers.iter().zip(&image.manifest.layers) {
        // A layer may stand in an image twice.
        if written.insert(name) {
            uncompressed(store, layer, |bytes| tar.file_of_unknown_size(name, bytes))?;
        }
    }
    tar.finish()
}
