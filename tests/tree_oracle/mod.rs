//! Whole images beside the truth: mmdebstrap installs the very .debs that an image is locked to, with dpkg, and their
//! maintainer scripts run. Every path that differs from what wharf built is in tests/oracle/differences.txt with its
//! reason; and the image's own dpkg, apt and ldconfig, run in it, find it whole.
//!
//! It takes root, mmdebstrap and an archive; docs/design/oracle.md says what it found.

mod differences;
mod listing;
mod whole;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

use wharf::digest::Digest;
use wharf::fetch::{Area, Cache};
use wharf::lock::{Lock, LockedPackage, Member};

use crate::build::ended;
use crate::oracle::{has, is_root};
use crate::real::Copy;
use crate::support::place::cache;

const DISTRO: &str = "debian-trixie";
const SUITE: &str = "trixie";
const ARCH: &str = "x86_64";
const DIFFERENCES: &str = include_str!("../oracle/differences.txt");

/// The repository's own project with base and keystone built, and where tar archives of them are.
struct Built {
    copy: Copy,
    lock: Lock,
}

/// Builds once for all tests; none where this machine cannot be asked, which was said then.
fn built() -> Option<&'static Built> {
    static BUILT: OnceLock<Option<Built>> = OnceLock::new();
    let tools = ["mmdebstrap", "dpkg-deb", "unshare", "chroot"];
    BUILT.get_or_init(|| if is_root() && tools.into_iter().all(has) { build() } else { None }).as_ref()
}

/// What is kept from run to run: what the same .debs install stays true.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("tree-oracle")
}

fn build() -> Option<Built> {
    let copy = Copy::new("tree-oracle");
    copy.build(&["base", "keystone", "--distro", DISTRO, "--arch", ARCH])?;
    let lock = copy.lock();
    Some(Built { copy, lock })
}

/// What a program that must end well printed.
fn stdout(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

impl Built {
    /// Exports an image as one tar archive, once.
    fn export(&self, image: &str) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let tar = self.copy.home().join(format!("{image}.tar"));
        if !tar.is_file() {
            let (from, store) = (format!("{image}:{DISTRO}-{ARCH}"), self.copy.store());
            let to = format!("tar:{}", tar.display());
            ended(0, &self.copy.wharf(&["export", &from, "--store", store.to_str().unwrap(), "--to", &to]));
        }
        tar
    }

    /// What the image is locked to.
    fn packages(&self, image: &str) -> Vec<&LockedPackage> {
        let member = Member::Image(image.parse().unwrap());
        self.lock.packages_of(&DISTRO.parse().unwrap(), &ARCH.parse().unwrap(), &member).unwrap()
    }

    /// The distro's filters, in dpkg's words.
    fn filters(&self) -> Vec<String> {
        let text = fs::read_to_string(self.copy.project().join(format!("targets/distros/{DISTRO}.kdl"))).unwrap();
        let rule = |line: &str| {
            let (word, glob) = line.trim().split_once(' ')?;
            ["exclude", "include"].contains(&word).then(|| format!("path-{word}={}", glob.trim_matches('"')))
        };
        let filters: Vec<String> = text.lines().filter_map(rule).collect();
        assert!(!filters.is_empty());
        filters
    }

    /// The tar archive of a root into which mmdebstrap put the image's packages.
    fn installed(&self, image: &str) -> PathBuf {
        // mmdebstrap twice at once would only slow itself.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let (packages, newest) = (self.packages(image), listing::newest(&self.export(image)).to_string());
        let mut options: Vec<String> =
            ["--mode=root", "--variant=custom", "--architectures=amd64"].map(str::to_owned).into();
        options.extend(self.filters().iter().map(|filter| format!("--dpkgopt={filter}")));
        // Nobody minds if a power cut takes this root.
        options.push("--dpkgopt=force-unsafe-io".to_owned());
        let mut key = stdout(Command::new("mmdebstrap").arg("--version")) + &options.join("\n") + &newest;
        packages.iter().for_each(|package| writeln!(key, "{} {}", package.name, package.sha256).unwrap());
        let tar = kept().join(format!("{image}-{}.tar", Digest::of(key.as_bytes()).hex()));
        if tar.is_file() {
            return tar;
        }
        fs::create_dir_all(kept()).unwrap();
        let repository = self.repository(image, &packages);
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        let beside = tempfile::Builder::new().prefix("new-").suffix(".tar").tempfile_in(kept()).unwrap();
        let mut command = Command::new("mmdebstrap");
        command
            .args(options)
            .arg("--quiet")
            .arg(format!("--include={}", names.join(",")))
            .arg(SUITE)
            .arg(beside.path());
        command.arg(format!("deb [trusted=yes] copy://{} ./", repository.display()));
        stdout(command.env("SOURCE_DATE_EPOCH", newest).env("DEBIAN_FRONTEND", "noninteractive"));
        for old in fs::read_dir(kept()).unwrap().map(|entry| entry.unwrap().path()) {
            if old.file_name().unwrap().to_str().unwrap().starts_with(&format!("{image}-")) {
                fs::remove_file(old).unwrap();
            }
        }
        beside.persist(&tar).unwrap();
        tar
    }

    /// A flat archive of just these packages, as the cache has them.
    fn repository(&self, image: &str, packages: &[&LockedPackage]) -> PathBuf {
        let (folder, cache) = (self.copy.home().join(format!("{image}-debs")), Cache::open(cache()).unwrap());
        fs::create_dir(&folder).unwrap();
        let mut index = String::new();
        for package in packages {
            let deb = cache.find(Area::Deb, &package.sha256).unwrap();
            let name = format!("{}_{}.deb", package.name, package.arch);
            fs::copy(&deb, folder.join(&name)).unwrap();
            let control = stdout(Command::new("dpkg-deb").arg("--field").arg(&deb));
            let (size, sha256) = (package.size, package.sha256.hex());
            write!(index, "{}\nFilename: ./{name}\nSize: {size}\nSHA256: {sha256}\n\n", control.trim_end()).unwrap();
        }
        fs::write(folder.join("Packages"), index).unwrap();
        folder
    }
}

fn assert_same(image: &str, lines_of: &[&str]) {
    let Some(built) = built() else { return };
    let (ours, theirs) = (listing::read(&built.export(image)), listing::read(&built.installed(image)));
    let found = differences::compare(&ours, &theirs);
    let wrong = differences::judge(&found, &differences::parse(DIFFERENCES, lines_of));
    let (all, differing) = (theirs.len(), found.len());
    assert!(wrong.is_empty(), "{image}: {differing} of {all} paths differ from what mmdebstrap makes:\n{wrong}");
    eprintln!("{image}: {} packages, {all} paths, {differing} differ as listed", built.packages(image).len());
}

#[test]
fn base_is_what_its_packages_make_of_themselves() {
    assert_same("base", &["base"]);
}

#[test]
fn keystone_is_what_its_packages_make_of_themselves() {
    assert_same("keystone", &["base", "keystone"]);
}
