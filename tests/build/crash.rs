//! Killed, and crowded.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use wharf::digest::Digest;
use wharf::oci::Store;

use super::{Yard, archive, ended, noise, packages, walk};
use crate::support::archive::DATE;
use crate::support::deb::Deb;

fn large() -> Yard {
    let mut debs = packages("1.0");
    for arch in ["amd64", "arm64"] {
        debs.push(Deb::new("large", "1.0").arch(arch).file("/usr/share/large", 0o644, noise(arch, 2 << 20)));
    }
    let yard = Yard::new(archive(debs, DATE));
    yard.spec("large.kdl", "image \"large\" { from \"more\"; packages \"large\"; }\n");
    yard
}

const SIGKILL: i32 = 9;
const SIGXFSZ: i32 = 25;

/// A build that the kernel kills in the middle of the write by which a file would grow past so many bytes.
fn killed_past(yard: &Yard, bytes: u64) {
    let wharf = yard.command(&["build"]);
    let mut shell = Command::new("sh");
    let limits = format!("ulimit -c 0; ulimit -f {}; exec \"$@\"", bytes / 512);
    shell.args(["-c", &limits, "sh"]).arg(wharf.get_program()).args(wharf.get_args()).env_clear();
    shell.envs(wharf.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGXFSZ), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A build that is killed while it waits for a lock, which is held here.
fn killed_at(yard: &Yard, lock: &Path) {
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = fs::File::create(lock).unwrap();
    held.lock().unwrap();
    let mut child = yard.command(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ended = wait_until(|| child.try_wait().unwrap().map(Some).or_else(|| waits(lock).then_some(None)));
    assert!(ended.is_none(), "it ended before it came to {}", lock.display());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL));
}

/// Asks until there is an answer.
fn wait_until(answer: impl FnMut() -> Option<Option<ExitStatus>>) -> Option<ExitStatus> {
    let (mut answer, start) = (answer, Instant::now());
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "neither there nor at its end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether somebody waits for a lock (proc_locks(5)).
fn waits(lock: &Path) -> bool {
    let inode = format!(":{}", lock.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains(" -> ") && line.split(' ').any(|word| word.ends_with(&inode)))
}

/// The sizes of what lies half-written in a folder.
fn halves(folder: &Path, prefix: &str) -> Vec<u64> {
    let entries = folder.read_dir().into_iter().flatten().map(Result::unwrap);
    let half = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    half.map(|entry| entry.metadata().unwrap().len()).collect()
}

/// A yard, and what a whole build of it says.
struct Killing {
    yard: Yard,
    first: String,
}

impl Killing {
    fn new() -> Self {
        let yard = large();
        let (first, _) = yard.run(0, &["build"]);
        Self { yard, first }
    }

    fn cache(&self, area: &str) -> PathBuf {
        self.yard.cache().join(area)
    }

    fn store(&self) -> PathBuf {
        self.yard.project().join(".wharf/store")
    }

    fn lock(&self) -> PathBuf {
        self.yard.project().join("wharf.lock")
    }

    fn forget(&self, folders: &[PathBuf]) {
        for folder in folders {
            fs::remove_dir_all(folder).unwrap();
        }
    }

    /// As before the first build.
    fn cold(&self) {
        self.forget(&[self.yard.cache(), self.yard.project().join(".wharf")]);
        fs::remove_file(self.lock()).unwrap();
    }

    /// The store and the cache are whole but for files without a name, the next build goes on from there, and `prune`
    /// takes what was left.
    fn goes_on(&self) {
        self.yard.assert_usable();
        assert_eq!(self.yard.run(0, &["build"]).0, self.first);
        self.yard.assert_usable();
        self.yard.run(0, &["prune"]);
        self.yard.assert_whole();
        assert_eq!(halves(&self.store().join(".wharf/scratch"), "."), Vec::<u64>::new());
        assert_eq!(self.yard.run(0, &["build", "--offline", "--locked"]).0, self.first);
    }

    /// The digest of a package's .deb.
    fn deb(&self, name: &str) -> Digest {
        let path =
            self.yard.folder.path().join(format!("archive/pool/main/{}/{name}/{name}_1.0_amd64.deb", &name[..1]));
        Digest::of(&fs::read(path).unwrap())
    }
}

const HALF: u64 = 512 << 10;

#[test]
fn a_kill_in_the_middle_of_an_index_or_a_deb_leaves_all_usable() {
    let killing = Killing::new();
    for (area, bytes) in [("indexes", 512), ("debs", HALF)] {
        killing.cold();
        killed_past(&killing.yard, bytes);
        assert!(halves(&killing.cache(area), ".new-").contains(&bytes), "{area}");
        assert!(!killing.lock().exists());
        killing.goes_on();
    }
}

#[test]
fn a_kill_between_two_debs_leaves_all_usable() {
    let killing = Killing::new();
    killing.cold();
    killed_at(&killing.yard, &killing.cache("locks").join(format!("debs-{}", killing.deb("large").hex())));
    assert!(!killing.cache("debs").join(killing.deb("large").hex()).exists());
    killing.goes_on();
}

#[test]
fn a_kill_in_the_middle_of_a_fragment_leaves_all_usable() {
    let killing = Killing::new();
    killing.forget(&[killing.cache("fragments"), killing.cache("records"), killing.store()]);
    killed_past(&killing.yard, HALF);
    assert!(halves(&killing.cache("fragments"), ".new-").contains(&HALF));
    killing.goes_on();
}

#[test]
fn a_kill_in_the_middle_of_the_lock_leaves_none() {
    let killing = Killing::new();
    // More than any index: those are written before it.
    let largest = walk(&killing.cache("indexes")).iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
    let bytes = largest.next_multiple_of(512);
    assert!(killing.lock().metadata().unwrap().len() > bytes);
    fs::remove_file(killing.lock()).unwrap();
    killed_past(&killing.yard, bytes);
    assert_eq!(halves(&killing.yard.project(), ".wharf.lock-"), [bytes]);
    assert!(!killing.lock().exists());
    killing.goes_on();
}

#[test]
fn a_kill_in_the_middle_of_a_layer_leaves_all_usable() {
    let killing = Killing::new();
    killing.forget(&[killing.store()]);
    killed_past(&killing.yard, HALF);
    assert!(halves(&killing.store().join(".wharf/scratch"), ".").contains(&HALF));
    assert_eq!(Store::open(&killing.store()).unwrap().refs().unwrap().len(), 0);
    killing.goes_on();
}

#[test]
fn a_kill_before_the_images_have_their_names_leaves_the_names_of_before() {
    let killing = Killing::new();
    let refs = Store::open(&killing.store()).unwrap().refs().unwrap();
    killing.yard.spec("large.kdl", "image \"large\" { from \"more\"; packages \"large\"; label a=\"b\"; }\n");
    let (changed, _) = killing.yard.run(0, &["lock"]);
    assert_eq!(changed, "");
    killed_at(&killing.yard, &killing.store().join(".wharf/index.lock"));
    killing.yard.assert_usable();
    let store = Store::open(&killing.store()).unwrap();
    assert_eq!(store.refs().unwrap(), refs);
    drop(store);
    // What would have been named is there and goes.
    let (out, _) = killing.yard.run(0, &["build"]);
    assert_ne!(out, killing.first);
    killing.yard.spec("large.kdl", "image \"large\" { from \"more\"; packages \"large\"; }\n");
    killing.yard.run(0, &["lock"]);
    killing.goes_on();
}

#[test]
fn processes_at_once_on_one_cache_and_one_store_do_not_disturb_each_other() {
    let yard = large();
    let start = || {
        let mut command = yard.command(&["build"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(), start(), start()];
    let said = children.map(|child| ended(0, &child.wait_with_output().unwrap()).0);
    assert!(said[0] == said[1] && said[1] == said[2], "{said:?}");
    yard.assert_whole();
    assert_eq!(yard.run(0, &["build", "--locked"]).0, said[0]);
}
