//! The store: one OCI image layout (image-spec 1.1, image-layout.md) that holds every image, so that shared layers
//! exist once.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/…     as the specification has them
//! .wharf/lock                                held shared by whoever reads or writes, exclusive by `prune`
//! .wharf/index.lock                          held exclusive around each change of index.json
//! .wharf/scratch/                            files that are being written
//! ```
//!
//! A kill at any moment leaves it whole: a blob is written to scratch/, synced and renamed to its digest, and only then
//! does a new index.json that names it take the old one's place.

mod check;
mod error;
mod lock;
mod prune;
mod select;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::digest::Digest;

use super::document::{Descriptor, Index, MAX_DOCUMENT, canonical, media};
use super::reference::Ref;

pub use check::Fault;
pub use error::StoreError;
pub use prune::Pruned;
pub use select::Selected;

/// The annotation of a descriptor in `index.json` that holds its ref.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An OCI layout that many processes share.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Held while this value lives; none where nobody can write and so nobody can prune.
    _lock: Option<File>,
}

impl Store {
    /// Opens, or makes, the store in `root`, and holds its lock shared until dropped.
    pub fn open(root: &Path) -> Result<Self> {
        Self::refuse_other_folders(root)?;
        for folder in ["blobs/sha256", ".wharf/scratch"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(StoreError::at(&folder))?;
        }
        let store = Self { root: root.to_owned(), _lock: Some(lock::shared(root)?) };
        lock::prove(&store)?;
        if !store.is_layout()? {
            let index = store.lock_index()?;
            if !root.join("index.json").exists() {
                store.replace("index.json", &store.encode(&Index::of(Vec::new()))?)?;
            }
            store.replace("oci-layout", LAYOUT)?;
            drop(index);
        }
        Ok(store)
    }

    /// Opens a store, or another tool's layout, that is there already; makes nothing but its lock.
    pub fn open_existing(root: &Path) -> Result<Self> {
        let store = Self { root: root.to_owned(), _lock: None };
        if !store.is_layout()? {
            return Err(StoreError::Absent(root.to_owned()));
        }
        Ok(Self { _lock: lock::shared_if_writable(root)?, ..store })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn refuse_other_folders(root: &Path) -> Result<()> {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::at(root)(error)),
        };
        let mut other = false;
        for entry in entries {
            let name = entry.map_err(StoreError::at(root))?.file_name();
            match name.to_str() {
                Some("oci-layout") => return Ok(()),
                // What another process has made so far.
                Some("blobs" | ".wharf" | "index.json") => {}
                _ => other = true,
            }
        }
        if other { Err(StoreError::NotALayout(root.to_owned())) } else { Ok(()) }
    }

    fn is_layout(&self) -> Result<bool> {
        #[derive(serde::Deserialize)]
        struct Layout {
            #[serde(rename = "imageLayoutVersion")]
            version: String,
        }
        let path = self.root.join("oci-layout");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            Err(error) => return Err(StoreError::at(&path)(error)),
        };
        let layout: Layout = self.decode("oci-layout", &bytes)?;
        match layout.version.as_str() {
            "1.0.0" => Ok(true),
            _ => Err(StoreError::LayoutVersion { path: self.root.clone(), version: layout.version }),
        }
    }

    /// Where a blob is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// Whether the blob is there.
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// A new file in the store's file system, for [`Store::keep`]. It goes when dropped.
    pub fn scratch(&self) -> Result<NamedTempFile> {
        let folder = self.root.join(".wharf/scratch");
        tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&folder)
            .map_err(StoreError::at(&folder))
    }

    /// Makes a finished scratch file the blob `digest`, which must be the digest of its bytes. It is on disk before it
    /// has its name.
    pub fn keep(&self, file: NamedTempFile, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        file.as_file().sync_data().map_err(StoreError::at(&path))?;
        file.persist(&path).map_err(|error| StoreError::at(&path)(error.error))?;
        Ok(())
    }

    /// Makes a blob of another store one of this.
    pub fn take_over(&self, from: &Self, digest: &Digest) -> Result<()> {
        let path = self.path(digest);
        let mut file = self.scratch()?;
        io::copy(&mut from.open_blob(digest)?, file.as_file_mut()).map_err(StoreError::at(&path))?;
        self.keep(file, digest)
    }

    /// Makes `bytes` a blob, unless it is there.
    pub fn put_bytes(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.has(&descriptor.digest) {
            let mut file = self.scratch()?;
            file.write_all(bytes).map_err(StoreError::at(&self.path(&descriptor.digest)))?;
            self.keep(file, &descriptor.digest)?;
        }
        Ok(descriptor)
    }

    /// Opens a blob.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.missing(digest),
            _ => StoreError::at(&path)(error),
        })
    }

    fn missing(&self, digest: &Digest) -> StoreError {
        StoreError::Missing { store: self.root.clone(), digest: *digest }
    }

    /// A small blob's bytes, verified. One larger than [`MAX_DOCUMENT`] is refused.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = self.read_small(digest)?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(StoreError::Corrupt { store: self.root.clone(), digest: *digest, found });
        }
        Ok(bytes)
    }

    fn read_small(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let path = self.path(digest);
        self.open_blob(digest)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(StoreError::at(&path))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(self.no_document(digest, format!("it is larger than {MAX_DOCUMENT} bytes")));
        }
        Ok(bytes)
    }

    fn no_document(&self, what: &impl ToString, why: impl ToString) -> StoreError {
        StoreError::Document { store: self.root.clone(), what: what.to_string(), why: why.to_string() }
    }

    /// A blob as a document.
    pub fn document<T: DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        let bytes = self.read(digest)?;
        self.decode(digest, &bytes)
    }

    fn decode<T: DeserializeOwned>(&self, what: impl ToString, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.no_document(&what, error))
    }

    fn encode(&self, document: &impl serde::Serialize) -> Result<Vec<u8>> {
        canonical(document).map_err(|error| self.no_document(&"a document", error))
    }

    /// Makes a document a blob, in its one spelling.
    pub fn put(&self, media_type: &str, document: &impl serde::Serialize) -> Result<Descriptor> {
        self.put_bytes(media_type, &self.encode(document)?)
    }

    /// Gives images their refs, all in one step. A ref that another image had moves.
    pub fn tag(&self, refs: &[(Ref, Descriptor)]) -> Result<()> {
        let refs: BTreeMap<&Ref, &Descriptor> = refs.iter().map(|(name, image)| (name, image)).collect();
        let _index = self.lock_index()?;
        let before = self.index()?;
        let mut after = before.clone();
        after.manifests.retain(|entry| ref_of(entry).is_none_or(|name| !refs.contains_key(&name)));
        after.manifests.extend(refs.into_iter().map(|(name, image)| {
            let mut entry = image.clone();
            entry.annotations.insert(REF_NAME.to_owned(), name.to_string());
            entry
        }));
        self.write_index(&before, after)
    }

    /// The caller holds the lock of the index.
    fn write_index(&self, before: &Index, mut after: Index) -> Result<()> {
        after.media_type = media::INDEX.to_owned();
        after.manifests.sort_by_cached_key(|entry| (entry.annotations.get(REF_NAME).cloned(), entry.digest));
        if after == *before {
            return Ok(());
        }
        // The names of the blobs first, then the index that speaks of them.
        self.sync_folder(&self.blobs())?;
        self.replace("index.json", &self.encode(&after)?)
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::at(folder))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let mut file = self.scratch()?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(StoreError::at(&path))?;
        file.persist(&path).map_err(|error| StoreError::at(&path)(error.error))?;
        self.sync_folder(&self.root)
    }

    fn lock_index(&self) -> Result<File> {
        lock::exclusive(&self.root.join(".wharf/index.lock"), &|| {})
    }

    /// `index.json` as it is.
    pub fn index(&self) -> Result<Index> {
        let path = self.root.join("index.json");
        let bytes = fs::read(&path).map_err(StoreError::at(&path))?;
        self.decode("index.json", &bytes)
    }

    /// Every ref and what it names. Entries of other tools that have no ref are left out.
    pub fn refs(&self) -> Result<BTreeMap<Ref, Descriptor>> {
        let index = self.index()?;
        Ok(index.manifests.into_iter().filter_map(|entry| Some((ref_of(&entry)?, entry))).collect())
    }
}

fn ref_of(entry: &Descriptor) -> Option<Ref> {
    entry.annotations.get(REF_NAME).and_then(|name| Ref::new(name.as_str()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Ref {
        Ref::new(text).unwrap()
    }

    #[test]
    fn a_folder_with_other_things_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "x").unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::NotALayout(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_later_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::LayoutVersion { .. })));
    }

    #[test]
    fn nothing_is_made_where_there_is_no_store_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        assert!(matches!(Store::open_existing(&path), Err(StoreError::Absent(_))));
        assert!(!path.exists());
    }

    #[test]
    fn a_changed_blob_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = store.put_bytes("text/plain", b"right").unwrap();
        fs::write(store.path(&blob.digest), b"wrong").unwrap();
        let found = Digest::of(b"wrong");
        assert!(matches!(store.read(&blob.digest), Err(StoreError::Corrupt { found: f, .. }) if f == found));
    }

    #[test]
    fn a_large_blob_is_no_document() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = store.put_bytes("x", &vec![b' '; MAX_DOCUMENT as usize + 1]).unwrap();
        assert!(matches!(store.read(&blob.digest), Err(StoreError::Document { .. })));
    }

    #[test]
    fn a_missing_blob_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"nothing");
        assert!(!store.has(&digest));
        assert!(matches!(store.read(&digest), Err(StoreError::Missing { .. })));
    }

    #[test]
    fn a_ref_moves_and_foreign_entries_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let foreign = Descriptor::of(media::MANIFEST, b"foreign");
        store.replace("index.json", &canonical(&Index::of(vec![foreign.clone()])).unwrap()).unwrap();
        let (old, new) = (Descriptor::of(media::MANIFEST, b"old"), Descriptor::of(media::MANIFEST, b"new"));
        store.tag(&[(named("a:1"), old.clone()), (named("b:1"), old)]).unwrap();
        store.tag(&[(named("a:1"), new.clone())]).unwrap();
        assert_eq!(store.refs().unwrap()[&named("a:1")].digest, new.digest);
        assert_eq!(store.refs().unwrap().len(), 2);
        assert!(store.index().unwrap().manifests.contains(&foreign));
    }

    #[test]
    fn tagging_the_same_again_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let refs = [(named("a:1"), Descriptor::of(media::MANIFEST, b"x"))];
        store.tag(&refs).unwrap();
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(folder.path().join("index.json")).unwrap());
        let before = inode();
        store.tag(&refs).unwrap();
        assert_eq!(inode(), before);
    }

    #[test]
    fn two_stores_on_one_folder_keep_each_others_refs() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let folder = folder.path();
                scope.spawn(move || {
                    let store = Store::open(folder).unwrap();
                    for number in 0..10 {
                        let image = Descriptor::of(media::MANIFEST, b"x");
                        store.tag(&[(named(&format!("image{thread}:{number}")), image)]).unwrap();
                    }
                });
            }
        });
        assert_eq!(Store::open(folder.path()).unwrap().refs().unwrap().len(), 40);
    }

    #[test]
    fn an_abandoned_scratch_file_is_no_blob() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        drop(store.scratch().unwrap());
        assert_eq!(fs::read_dir(folder.path().join(".wharf/scratch")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(store.blobs()).unwrap().count(), 0);
    }
}
