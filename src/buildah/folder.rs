//! A build's own folder: the storage and all else that is gone when it ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Buildah, BuildahError};

/// The file that whoever uses a folder holds locked.
const LOCK: &str = "lock";

/// A folder that is taken away when it is dropped, whoever its files belong to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    rootless: bool,
    /// Locked as long as it is open.
    _lock: File,
}

impl Folder {
    /// Makes one in `place`, which may be missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(buildah: &Buildah, place: &Path) -> Result<Self, BuildahError> {
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |error| BuildahError::Folder { path, error }
        };
        fs::create_dir_all(place).map_err(wrong(place))?;
        // While it is made it is nobody's that could be taken away.
        let gate = gate(place).map_err(wrong(place))?;
        let path = tempfile::Builder::new().prefix("b").rand_bytes(10).tempdir_in(place).map_err(wrong(place))?.keep();
        let lock = File::create(path.join(LOCK)).map_err(wrong(&path))?;
        lock.lock().map_err(wrong(&path))?;
        drop(gate);
        Ok(Self { path, rootless: buildah.rootless, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path, self.rootless);
    }
}

/// Held while folders are made and looked through.
fn gate(place: &Path) -> io::Result<File> {
    let gate = File::create(place.join("gate"))?;
    gate.lock()?;
    Ok(gate)
}

/// Takes away what builds left in `place` that were killed. Gives how many.
pub fn sweep(buildah: &Buildah, place: &Path) -> usize {
    let Ok(_gate) = gate(place) else { return 0 };
    let Ok(entries) = fs::read_dir(place) else { return 0 };
    let mut swept = 0;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let free = match File::open(path.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // It was killed while the folder was made, or while it was taken away.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if free {
            remove(&path, buildah.rootless);
            swept += 1;
        }
    }
    swept
}

/// Takes a folder away in which steps ran or kept what lasts, whoever its files belong to.
pub fn clear(path: &Path) {
    if path.exists() {
        remove(path, !rustix::process::geteuid().is_root());
    }
}

/// Files of other ids can be removed by who is root of the namespace that they were made in.
fn remove(path: &Path, rootless: bool) {
    if rootless {
        let mut command = Command::new("buildah");
        command.args(["unshare", "rm", "-rf", "--"]).arg(path);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
    if fs::remove_dir_all(path).is_err() {
        // Folders that nobody may look into.
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

fn open_up(path: &Path) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    if !meta.is_dir() {
        return;
    }
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
        open_up(&entry.path());
    }
}
