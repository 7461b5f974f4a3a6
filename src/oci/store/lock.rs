//! The store's locks (flock(2)).

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::{Result, Store, StoreError};

/// What a file system says that has no locks.
fn refused(root: &Path, path: &Path, error: io::Error) -> StoreError {
    // ENOLCK has no kind of its own.
    const NO_LOCKS: i32 = 37;
    match error.kind() {
        io::ErrorKind::Unsupported => StoreError::NoLocks(root.to_owned()),
        _ if error.raw_os_error() == Some(NO_LOCKS) => StoreError::NoLocks(root.to_owned()),
        _ => StoreError::at(path)(error),
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    // A reader without write permission can hold it as well.
    match File::options().create(true).truncate(false).write(true).open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            File::open(path)
        }
        other => other,
    }
}

/// Holds `.wharf/lock` with others; waits while `prune` has it.
pub(super) fn shared(root: &Path) -> Result<File> {
    let path = root.join(".wharf/lock");
    let file = lock_file(&path).map_err(StoreError::at(&path))?;
    file.lock_shared().map_err(|error| refused(root, &path, error))?;
    Ok(file)
}

/// As [`shared`]; none where there is no lock and this user cannot make one.
pub(super) fn shared_if_writable(root: &Path) -> Result<Option<File>> {
    let folder = root.join(".wharf");
    if let Err(error) = std::fs::create_dir_all(&folder) {
        return match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(None),
            _ => Err(StoreError::at(&folder)(error)),
        };
    }
    match shared(root) {
        Ok(file) => Ok(Some(file)),
        Err(StoreError::Io { source, .. })
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Holds the file alone; calls `waiting` once where it has to wait.
pub(super) fn exclusive(path: &Path, waiting: &dyn Fn()) -> Result<File> {
    let root = path.parent().and_then(Path::parent).unwrap_or(path);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(StoreError::at(path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => waiting(),
        Err(TryLockError::Error(error)) => return Err(refused(root, path, error)),
    }
    file.lock().map_err(|error| refused(root, path, error))?;
    Ok(file)
}

/// Some file systems accept every lock and hold none: a lock that a second handle gets too is no lock.
pub(super) fn prove(store: &Store) -> Result<()> {
    let file = store.scratch()?;
    let path = file.path().to_owned();
    file.as_file().try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::NoLocks(store.root.clone()),
        TryLockError::Error(error) => refused(&store.root, &path, error),
    })?;
    let second = File::open(&path).map_err(StoreError::at(&path))?;
    match second.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Ok(()) => Err(StoreError::NoLocks(store.root.clone())),
        Err(TryLockError::Error(error)) => Err(refused(&store.root, &path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_locks_is_told_from_no_permission() {
        let root = Path::new("/store");
        let error = |code| refused(root, Path::new("/store/.wharf/lock"), io::Error::from_raw_os_error(code));
        for (code, no_locks) in [(37, true), (95, true), (38, true), (13, false), (28, false)] {
            assert_eq!(matches!(error(code), StoreError::NoLocks(_)), no_locks, "{code}");
        }
    }

    #[test]
    fn who_wants_it_alone_says_so_and_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (told, hears) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let root = folder.path();
            let alone = scope.spawn(move || exclusive(&root.join(".wharf/lock"), &|| told.send(()).unwrap()).is_ok());
            hears.recv().unwrap();
            assert!(!alone.is_finished());
            drop(store);
            assert!(alone.join().unwrap());
        });
    }
}
