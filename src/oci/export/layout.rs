//! `oci:DIR`: another layout.

use std::io;
use std::path::Path;

use crate::digest::HashWriter;
use crate::oci::{Descriptor, OciError, Ref, Store, StoreError};

/// Copies an image into the layout in `path`, which is made where there is none; blobs that are there stay. Each blob
/// is verified on its way.
pub(super) fn copy(store: &Store, image: &Descriptor, path: &Path, name: &Ref) -> Result<(), OciError> {
    let target = Store::open(path)?;
    for blob in store.blobs_of(image)? {
        if target.has(&blob.digest) {
            continue;
        }
        let mut out = HashWriter::new(target.scratch()?);
        let to = target.path(&blob.digest);
        io::copy(&mut store.open_blob(&blob.digest)?, &mut out).map_err(StoreError::at(&to))?;
        let (file, found, _) = out.finish();
        if found != blob.digest {
            let store = store.root().to_owned();
            return Err(StoreError::Corrupt { store, digest: blob.digest, found }.into());
        }
        target.keep(file, &blob.digest)?;
    }
    Ok(target.tag(&[(name.clone(), image.bare())])?)
}
