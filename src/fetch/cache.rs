//! The cache: files named by a digest, shared by every wharf process of a user. What is there is whole:
//! files are written beside and renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// What a file of the cache is, and so its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// .debs, by their own digest.
    Deb,
    /// Indexes of archives, by their own digest.
    Index,
    /// Compressed fragments, by the digest of what they are made from.
    Fragment,
    /// What was found out about something, by the digest of what it follows from: JSON.
    Record,
    /// Unpacked tools, by the digest of their packages: folders.
    Tool,
    /// Parts of maintainer scripts that were judged, by their own digest: text.
    Script,
}

impl Area {
    /// Each of them.
    pub(super) const ALL: [Self; 6] = [Self::Deb, Self::Index, Self::Fragment, Self::Record, Self::Tool, Self::Script];

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Deb => "debs",
            Self::Index => "indexes",
            Self::Fragment => "fragments",
            Self::Record => "records",
            Self::Tool => "tools",
            Self::Script => "scripts",
        }
    }
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the cache `{}` cannot be used: {source}", .path.display())]
#[diagnostic(
    code(wharf::cache),
    help("name another folder with `--cache DIR` or `WHARF_CACHE`, or free space on this one")
)]
pub struct CacheError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// A folder that many processes share.
#[derive(Debug)]
pub struct Cache {
    root: PathBuf,
    /// Held shared while this process uses the cache; `prune` takes it exclusive.
    _lock: File,
}

impl Cache {
    /// Opens, or makes, the cache in `root` and holds its lock shared.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        let wrong = |source| CacheError { path: root.to_owned(), source };
        for area in Area::ALL {
            fs::create_dir_all(root.join(area.folder())).map_err(wrong)?;
        }
        fs::create_dir_all(root.join("locks")).map_err(wrong)?;
        let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock")).map_err(wrong)?;
        lock.lock_shared().map_err(wrong)?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `key` of `area` is, or would be.
    pub fn path(&self, area: Area, key: &Digest) -> PathBuf {
        self.root.join(area.folder()).join(key.hex())
    }

    /// Where `key` of `area` is; none where it is not in the cache.
    pub fn find(&self, area: Area, key: &Digest) -> Option<PathBuf> {
        let path = self.path(area, key);
        path.exists().then_some(path)
    }

    /// Waits until no other process or thread works on `key`, and keeps others away until the guard is dropped.
    pub fn work_on(&self, area: Area, key: &Digest) -> Result<File, CacheError> {
        let path = self.root.join("locks").join(format!("{}-{}", area.folder(), key.hex()));
        let wrong = |source| CacheError { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(wrong)?;
        file.lock().map_err(wrong)?;
        Ok(file)
    }

    /// A new file in the same file system, for [`Cache::keep`].
    pub fn scratch(&self, area: Area) -> Result<tempfile::NamedTempFile, CacheError> {
        let folder = self.root.join(area.folder());
        tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&folder)
            .map_err(|source| CacheError { path: folder, source })
    }

    /// Keeps bytes under their own digest, unless they are there already.
    pub fn put(&self, area: Area, bytes: &[u8]) -> Result<Digest, CacheError> {
        let key = Digest::of(bytes);
        if self.get(area, &key).is_none() {
            let mut file = self.scratch(area)?;
            file.write_all(bytes).map_err(|source| CacheError { path: self.root.join(area.folder()), source })?;
            self.keep(area, &key, file)?;
        }
        Ok(key)
    }

    /// What [`Cache::put`] kept; none where it is not there whole.
    pub fn get(&self, area: Area, key: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(area, key)).ok()?;
        (Digest::of(&bytes) == *key).then_some(bytes)
    }

    /// Gives a finished scratch file its name. An equal one that another process put there is replaced.
    pub fn keep(&self, area: Area, key: &Digest, file: tempfile::NamedTempFile) -> Result<PathBuf, CacheError> {
        let path = self.path(area, key);
        file.persist(&path).map_err(|error| CacheError { path: path.clone(), source: error.error })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        let mut file = cache.scratch(Area::Record).unwrap();
        file.write_all(b"{}").unwrap();
        assert_eq!(cache.find(Area::Record, &key), None);
        let kept = cache.keep(Area::Record, &key, file).unwrap();
        assert_eq!(cache.find(Area::Record, &key), Some(kept));
    }

    #[test]
    fn bytes_that_are_not_whole_are_not_there_and_come_back_when_they_are_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = cache.put(Area::Script, b"mkdir /x").unwrap();
        assert_eq!(cache.get(Area::Script, &key).unwrap(), b"mkdir /x");
        fs::write(cache.path(Area::Script, &key), b"mkdir").unwrap();
        assert_eq!(cache.get(Area::Script, &key), None);
        cache.put(Area::Script, b"mkdir /x").unwrap();
        assert_eq!(cache.get(Area::Script, &key).unwrap(), b"mkdir /x");
    }
}
