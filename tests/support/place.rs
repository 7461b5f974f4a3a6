//! Folders for what is large: below `target/tmp`, or where ordinary users can write.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The ordinary user, without subordinate ids, as whom root builds.
pub const NOBODY: &str = "65534";

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives `path` and all below it to whoever builds.
pub fn own(path: &Path) {
    if is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(path).status().unwrap().success());
    }
}

/// A program as whoever builds: without root's rights where root tests.
pub fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
    command.args(["--clear-groups", "--no-new-privs"]).arg(program);
    command
}

/// The folder that holds them, open to whoever builds.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let own_folder = |folder: PathBuf| {
            fs::create_dir_all(&folder).unwrap();
            own(&folder);
            folder
        };
        let folder = own_folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join("wharf"));
        if as_user(Path::new("test")).arg("-w").arg(&folder).status().unwrap().success() {
            return folder;
        }
        let other = own_folder(std::env::temp_dir().join("wharf-test"));
        eprintln!("{} is closed to ordinary users: {} is taken", folder.display(), other.display());
        other
    })
}

/// Where .debs and what is made of them stay between runs, for all tests that ask Debian's archive.
pub fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = root().join("cache");
        fs::create_dir_all(&folder).unwrap();
        own(&folder);
        folder
    })
}

/// An empty folder of this run, named `name`. What an earlier run left is taken away; a run beside this one is waited for.
pub fn scratch(name: &str) -> PathBuf {
    static RUN: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (folder, _) = RUN.get_or_init(|| {
        let lock = File::create(root().join("lock")).unwrap();
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            eprintln!("another run of these tests is waited for");
            lock.lock().unwrap();
        }
        let folder = root().join("run");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir(&folder).unwrap();
        (folder, lock)
    });
    let folder = folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}
