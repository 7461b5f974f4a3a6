//! A folder for one text that must not stay: in memory where possible, wiped when it goes.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::place::is_memory;

/// The folder, 0700.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    /// Whether it is in memory.
    pub in_memory: bool,
}

impl Scratch {
    /// In the user's runtime folder or /dev/shm, where those are in memory; else where temporary files are.
    pub fn new() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        let places = runtime.into_iter().chain([PathBuf::from("/dev/shm")]).filter(|place| is_memory(place));
        let mut builder = tempfile::Builder::new();
        builder.prefix("wharf-secrets-").permissions(Permissions::from_mode(0o700));
        for place in places {
            if let Ok(folder) = builder.tempdir_in(&place) {
                return Ok(Self { folder, in_memory: true });
            }
        }
        Ok(Self { folder: builder.tempdir()?, in_memory: false })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, 0600.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    /// Editors leave copies beside the file: all of them are overwritten. The folder goes after that.
    fn drop(&mut self) {
        wipe(self.folder.path());
    }
}

fn wipe(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            wipe(&entry.path());
        } else if kind.is_file() {
            let _ = zero(&entry.path());
        }
    }
}

fn zero(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let mut file = File::options().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    while left > 0 {
        let count = left.min(4096);
        file.write_all([0u8; 4096].get(..usize::try_from(count).unwrap_or(4096)).unwrap_or_default())?;
        left -= count;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_owners_alone_and_nothing_of_it_stays() {
        let scratch = Scratch::new().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let path = scratch.write("a", b"geheim").unwrap();
        assert_eq!((mode(scratch.path()), mode(&path)), (0o700, 0o600));
        // A copy that an editor left, seen through a link of ours.
        let elsewhere = tempfile::tempdir_in(scratch.path().parent().unwrap()).unwrap();
        fs::create_dir(scratch.path().join("backup")).unwrap();
        fs::write(scratch.path().join("backup/a~"), "geheim").unwrap();
        fs::hard_link(&path, elsewhere.path().join("a")).unwrap();
        fs::hard_link(scratch.path().join("backup/a~"), elsewhere.path().join("b")).unwrap();
        let folder = scratch.path().to_owned();
        drop(scratch);
        assert!(!folder.exists());
        for name in ["a", "b"] {
            assert_eq!(fs::read(elsewhere.path().join(name)).unwrap(), [0; 6]);
        }
    }
}
