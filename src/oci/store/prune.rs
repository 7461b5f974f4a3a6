//! Takes away what no ref reaches.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Result, Store, StoreError, lock, ref_of};
use crate::digest::Digest;
use crate::oci::reference::Ref;

/// What was, or would be, taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Refs that are no longer wanted.
    pub refs: Vec<Ref>,
    /// Blobs that no ref reaches, with their bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// Files that a killed process left half-written, with their bytes.
    pub scratch: Vec<(PathBuf, u64)>,
    /// Bytes that stay.
    pub kept: u64,
}

impl Pruned {
    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).chain(self.scratch.iter().map(|(_, size)| size)).sum()
    }
}

impl Store {
    /// Takes the refs `drop` out, then every blob that no entry of the index reaches. Waits, after calling `waiting`,
    /// until nobody else uses the store. A store that is not whole is left alone.
    pub fn prune(root: &Path, drop: &[Ref], dry_run: bool, waiting: &dyn Fn()) -> Result<Pruned> {
        let mut store = Self { root: root.to_owned(), _lock: None };
        if !store.is_layout()? {
            return Err(StoreError::Absent(root.to_owned()));
        }
        let scratch = root.join(".wharf/scratch");
        fs::create_dir_all(&scratch).map_err(StoreError::at(&scratch))?;
        store._lock = Some(lock::exclusive(&root.join(".wharf/lock"), waiting)?);
        let _index = store.lock_index()?;
        let refs = store.refs()?;
        let mut dropped = BTreeSet::new();
        for name in drop {
            store.resolve(name.as_str())?;
            dropped.insert(if refs.contains_key(name) { name.clone() } else { name.clone().with_tag() });
        }
        let before = store.index()?;
        let mut after = before.clone();
        let mut pruned = Pruned::default();
        after.manifests.retain(|entry| match ref_of(entry) {
            Some(name) if dropped.contains(&name) => {
                pruned.refs.push(name);
                false
            }
            _ => true,
        });
        let mut reached = BTreeSet::new();
        store.reach_from("index.json", after.manifests.clone(), &mut |_, blob| {
            reached.insert(blob.digest);
            Ok(true)
        })?;
        for (path, size) in files(&store.blobs())? {
            match path.file_name().and_then(|name| name.to_str()).and_then(|name| Digest::from_hex(name).ok()) {
                Some(digest) if !reached.contains(&digest) => pruned.blobs.push((digest, size)),
                _ => pruned.kept += size,
            }
        }
        pruned.scratch = files(&scratch)?;
        if !dry_run {
            // The names first: a kill in between leaves blobs without a ref, never a ref without its blobs.
            if !pruned.refs.is_empty() {
                store.write_index(&before, after)?;
            }
            let blobs = pruned.blobs.iter().map(|(digest, _)| store.path(digest));
            for path in blobs.chain(pruned.scratch.iter().map(|(path, _)| path.clone())) {
                fs::remove_file(&path).map_err(StoreError::at(&path))?;
            }
        }
        Ok(pruned)
    }
}

/// The files of a folder with their bytes, sorted.
fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::at(folder))? {
        let entry = entry.map_err(StoreError::at(folder))?;
        let metadata = entry.metadata().map_err(StoreError::at(&entry.path()))?;
        if metadata.is_file() {
            found.push((entry.path(), metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::document::{Descriptor, media};

    #[test]
    fn a_store_whose_manifest_is_gone_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let loose = store.put_bytes("x", b"loose").unwrap();
        let gone = Descriptor::of(media::MANIFEST, b"gone");
        store.tag(&[(Ref::new("a:1").unwrap(), gone)]).unwrap();
        drop(store);
        let pruned = Store::prune(folder.path(), &[], false, &|| {});
        assert!(matches!(pruned, Err(StoreError::Missing { .. })), "{pruned:?}");
        assert!(Store::open(folder.path()).unwrap().has(&loose.digest));
    }

    #[test]
    fn a_dry_run_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let loose = store.put_bytes("x", b"loose").unwrap();
        drop(store);
        fs::write(folder.path().join(".wharf/scratch/.tmp1"), b"half").unwrap();
        for (dry_run, left) in [(true, true), (false, false)] {
            let pruned = Store::prune(folder.path(), &[], dry_run, &|| {}).unwrap();
            assert_eq!((pruned.blobs.len(), pruned.scratch.len(), pruned.bytes()), (1, 1, 9));
            assert_eq!(Store::open(folder.path()).unwrap().has(&loose.digest), left);
        }
        assert_eq!(Store::prune(folder.path(), &[], false, &|| {}).unwrap(), Pruned::default());
    }
}
