//! Takes old files out of the cache.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Area, Cache, CacheError};

/// What was, or would be, taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePruned {
    /// Files, and folders of tools, with their bytes.
    pub files: Vec<(PathBuf, u64)>,
    /// Bytes that stay.
    pub kept: u64,
}

impl CachePruned {
    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }
}

impl Cache {
    /// Takes away what a killed process left half-written, the locks of single keys and, where `keep` bytes are
    /// given, the oldest files until the rest fits. Waits, after calling `waiting`, until nobody else uses the cache.
    pub fn prune(root: &Path, keep: Option<u64>, dry_run: bool, waiting: &dyn Fn()) -> Result<CachePruned, CacheError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError { path, source }
        };
        let path = root.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(wrong(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock().map_err(wrong(&path))?;
            }
            Err(TryLockError::Error(error)) => return Err(wrong(&path)(error)),
        }
        let mut stale = Vec::new();
        let mut whole: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for area in Area::ALL {
            let folder = root.join(area.folder());
            for path in entries(&folder).map_err(wrong(&folder))? {
                let size = bytes(&path).map_err(wrong(&path))?;
                let half = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                if half {
                    stale.push((path, size));
                } else {
                    let time = fs::symlink_metadata(&path).and_then(|data| data.modified()).map_err(wrong(&path))?;
                    whole.push((time, path, size));
                }
            }
        }
        let locks = root.join("locks");
        for path in entries(&locks).map_err(wrong(&locks))? {
            stale.push((path, 0));
        }
        whole.sort();
        let mut pruned = CachePruned { files: stale, kept: whole.iter().map(|(_, _, size)| size).sum() };
        for (_, path, size) in whole {
            if keep.is_none_or(|keep| pruned.kept <= keep) {
                break;
            }
            pruned.kept -= size;
            pruned.files.push((path, size));
        }
        if !dry_run {
            for (path, _) in &pruned.files {
                let is_dir = fs::symlink_metadata(path).map_err(wrong(path))?.is_dir();
                let gone = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
                gone.map_err(wrong(path))?;
            }
        }
        Ok(pruned)
    }
}

/// What a folder holds, sorted; nothing where it is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The bytes of a file, or of all files below a folder.
fn bytes(path: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            open.extend(entries(&path)?);
        } else {
            total += metadata.len();
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use std::io::Write as _;
    use std::time::Duration;

    fn filled(root: &Path) -> Vec<PathBuf> {
        let cache = Cache::open(root).unwrap();
        let keep = |age: u64, area| {
            let mut file = cache.scratch(area).unwrap();
            file.write_all(&[b'x'; 100]).unwrap();
            file.as_file().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            cache.keep(area, &Digest::of(&age.to_le_bytes()), file).unwrap()
        };
        let tool = cache.path(Area::Tool, &Digest::of(b"tool"));
        fs::create_dir_all(tool.join("usr/bin")).unwrap();
        fs::write(tool.join("usr/bin/python"), [b'x'; 100]).unwrap();
        drop(cache.work_on(Area::Deb, &Digest::of(b"key")).unwrap());
        fs::write(root.join("debs/.new-killed"), [b'x'; 7]).unwrap();
        vec![keep(10, Area::Fragment), keep(30, Area::Deb), keep(20, Area::Index), tool]
    }

    fn left(paths: &[PathBuf]) -> Vec<bool> {
        paths.iter().map(|path| path.exists()).collect()
    }

    #[test]
    fn without_a_bound_only_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let paths = filled(folder.path());
        let pruned = Cache::prune(folder.path(), None, false, &|| {}).unwrap();
        assert_eq!((pruned.files.len(), pruned.bytes(), pruned.kept), (2, 7, 400));
        assert_eq!(left(&paths), [true; 4]);
        assert_eq!(fs::read_dir(folder.path().join("locks")).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let paths = filled(folder.path());
        for (dry_run, expected) in [(true, [true, true, true, true]), (false, [true, false, false, true])] {
            let pruned = Cache::prune(folder.path(), Some(250), dry_run, &|| {}).unwrap();
            assert_eq!((pruned.bytes(), pruned.kept), (207, 200));
            assert_eq!(left(&paths), expected);
        }
        Cache::prune(folder.path(), Some(0), false, &|| {}).unwrap();
        assert_eq!(left(&paths), [false; 4]);
    }

    #[test]
    fn a_cache_in_use_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (told, hears) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let root = folder.path();
            let prune = scope.spawn(move || Cache::prune(root, Some(0), false, &|| told.send(()).unwrap()).is_ok());
            hears.recv().unwrap();
            assert!(!prune.is_finished());
            drop(cache);
            assert!(prune.join().unwrap());
        });
    }
}
