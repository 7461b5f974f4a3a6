//! Debian's own archive, the catalogue that wharf ships, and the programs of its images, run.
//!
//! Packages come from where wharf finds them by itself (the apt sources of this machine, else the address in the specs)
//! and stay in `target/tmp/wharf/cache`. All building is done as an ordinary user; root runs the containers.

mod programs;
mod same;
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use wharf::lock::Lock;
use wharf::oci::Store;

use crate::build::{WHARF, ended};
use crate::support::place::{as_user, cache, own, scratch};
use crate::support::{podman, skip};

pub const IMAGES: [&str; 5] = ["memcached", "keystone", "mariadb", "rabbitmq", "openstack-client"];
pub const ARCHES: [&str; 3] = ["x86_64", "aarch64", "ppc64le"];
const DISTRO: &str = "debian-trixie";

/// A copy of the repository's project in a folder of its own, the binary beside it, owned by whoever builds.
pub struct Copy {
    home: PathBuf,
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Copy {
    /// In the folder `name` of this run.
    pub fn new(name: &str) -> Self {
        let copy = Self { home: scratch(name) };
        fs::create_dir(copy.project()).unwrap();
        for name in ["specs", "layers", "targets", "templates"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert!(Command::new("cp").arg("-r").arg(from).arg(copy.project()).status().unwrap().success());
        }
        // The build folder may be closed to others.
        fs::copy(WHARF, copy.binary()).unwrap();
        own(&copy.home);
        copy
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn project(&self) -> PathBuf {
        self.home.join("project")
    }

    pub fn store(&self) -> PathBuf {
        self.project().join(".wharf/store")
    }

    fn binary(&self) -> PathBuf {
        self.home.join("wharf")
    }

    pub fn lock(&self) -> Lock {
        fs::read_to_string(self.project().join("wharf.lock")).unwrap().parse().unwrap()
    }

    /// Changes a file of the project.
    fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let file = self.project().join(path);
        let old = fs::read_to_string(&file).unwrap();
        let new = change(&old);
        assert_ne!(new, old, "{path}");
        fs::write(&file, new).unwrap();
    }

    /// The rest of `command`, which begins wharf in some way, in this project.
    fn on(&self, mut command: Command, cache: &Path, arguments: &[&str]) -> Command {
        command.args(arguments).arg("-C").arg(self.project()).current_dir("/");
        command.env("HOME", &self.home).env("WHARF_CACHE", cache).env_remove("XDG_CACHE_HOME");
        command
    }

    /// wharf as an ordinary user without subordinate ids, with the cache that all share.
    pub fn wharf(&self, arguments: &[&str]) -> Output {
        self.on(as_user(&self.binary()), cache(), arguments).output().unwrap()
    }

    /// Builds; both streams. None where no archive answers, which was said then.
    pub fn build(&self, arguments: &[&str]) -> Option<(String, String)> {
        let output = self.wharf(&[&["build"], arguments].concat());
        if nobody_answers(&output) {
            return None;
        }
        Some(ended(0, &output))
    }

    /// wharf as whoever tests, where podman runs containers.
    fn with_podman(&self, arguments: &[&str]) -> (String, String) {
        let command = podman::ready(&self.home, &self.binary(), None);
        ended(0, &self.on(command, cache(), arguments).output().unwrap())
    }

    /// Programs in containers of an image of the store; of each, both its streams.
    fn run_in(&self, oci_arch: &str, reference: &str, handler: Option<&str>, programs: &[&[&str]]) -> Vec<String> {
        let storage = tempfile::Builder::new().prefix("podman-").tempdir_in(&self.home).unwrap();
        // podman takes no path of more than 50 characters for what runs.
        let state = tempfile::Builder::new().prefix("wharf-").tempdir().unwrap();
        let podman = |arguments: &[&str]| {
            let mut command = podman::ready(storage.path(), Path::new("podman"), handler);
            command.arg("--root").arg(storage.path().join("root")).arg("--runroot").arg(state.path());
            // podman 4.3 takes no path whose folder begins with a dot.
            command.args(arguments).current_dir(self.store().parent().unwrap());
            ended(0, &command.output().unwrap())
        };
        let image = podman(&["pull", "--quiet", "--arch", oci_arch, &format!("oci:store:{reference}")]).0;
        let image = image.lines().last().unwrap().trim().to_owned();
        let run =
            ["run", "--rm", "--network=none", "--pull=never", "--user=0", "--entrypoint=", "--arch", oci_arch, &image];
        let said = programs.iter().map(|program| {
            let (out, said) = podman(&[&run, *program].concat());
            out + &said
        });
        let said = said.collect();
        podman(&["rmi", "--all", "--force"]);
        said
    }
}

/// Whether no archive could be reached, as where there is no network: says so, and fails under CI.
pub fn nobody_answers(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let codes: Vec<&str> = said.lines().filter_map(|line| line.split_once("wharf::fetch::")).map(|(_, c)| c).collect();
    let nobody = !output.status.success()
        && codes.contains(&"unreachable")
        && codes.iter().all(|code| ["unreachable", "everywhere"].contains(code));
    if nobody {
        skip(&format!("no archive answers: {said}"));
    }
    nobody
}

/// The catalogue's trixie with ppc64le from the last point release alone.
fn point_release(copy: &Copy) {
    copy.edit("targets/distros/debian-trixie.kdl", |text| {
        let limited = text
            .replace("archive \"debian\" {", "archive \"debian\" arch=\"x86_64|aarch64\" {")
            .replace("archive \"debian-security\" {", "archive \"debian-security\" arch=\"x86_64|aarch64\" {");
        assert_eq!(limited.matches("arch=\"x86_64|aarch64\" {").count(), 2);
        limited
            + r#"
extend distro "debian-trixie" {
    archive "debian-point" arch="ppc64le" {
        url "http://ftp.debian.org/debian"
        origin "Debian"
        label "Debian"
        suites "stable"
        components "main"
        keyring "keyrings/debian-trixie.gpg"
    }
}
"#
    });
}

/// Where the mirror's files for ppc64le are not those of its signed Release, which wharf refuses, the last point release
/// has to do. False where no archive answers.
fn all_arches(copy: &Copy) -> bool {
    let output = copy.wharf(&["lock", "base", "--distro", DISTRO, "--arch", "ppc64le"]);
    if nobody_answers(&output) {
        return false;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // Any other refusal is wharf's fault.
        assert!(said.contains("wharf::fetch::everywhere") && said.contains("/binary-ppc64el/"), "{said}");
        eprintln!("the mirror lags behind for ppc64le, its last point release is taken:\n{said}");
        point_release(copy);
    }
    true
}

/// The images of the issue for its three arches, built in one run for all tests here. None where no archive answers.
pub fn built() -> Option<&'static Copy> {
    static BUILT: OnceLock<Option<Copy>> = OnceLock::new();
    let build = || {
        let copy = Copy::new("three-arches");
        if !all_arches(&copy) {
            return None;
        }
        let arguments = [&IMAGES[..], &["--distro", DISTRO, "--arch", "x86_64,aarch64,ppc64le"]].concat();
        let (out, said) = copy.build(&arguments)?;
        let named = |line: &str| Some(line.split_once(" sha256:")?.0.to_owned());
        let lines: Vec<String> = out.lines().filter_map(named).collect();
        for image in IMAGES {
            for arch in ARCHES.iter().chain(&["index"]) {
                assert!(lines.contains(&format!("{image} {DISTRO} {arch}")), "{image} {arch}:\n{out}{said}");
            }
        }
        assert_eq!(lines.len(), IMAGES.len() * (ARCHES.len() + 1), "{out}");
        assert_eq!(lagging(&said), differing(&copy.lock()), "{said}");
        assert_eq!(Store::open(&copy.store()).unwrap().verify().unwrap(), []);
        Some(copy)
    };
    BUILT.get_or_init(build).as_ref()
}

/// Source packages that wharf said are not the same for every arch, as `SOURCE: VERSION on ARCH, …`.
fn lagging(said: &str) -> Vec<String> {
    let note = |line: &str| {
        let (source, versions) = line.split_once(&format!("{DISTRO}: `"))?.1.split_once('`')?;
        Some(format!("{source}: {}", versions.strip_prefix(" is not the same for every arch: ")?))
    };
    said.lines().filter_map(note).collect()
}

/// What the lock says of it.
fn differing(lock: &Lock) -> Vec<String> {
    let mut sources: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for ((_, arch), target) in &lock.targets {
        for package in target.packages.values() {
            let (source, version) = &package.source;
            sources.entry(source.to_string()).or_default().insert(arch.to_string(), version.to_string());
        }
    }
    let mut found = Vec::new();
    for (source, versions) in sources {
        let first = versions.values().next().cloned();
        if versions.values().any(|version| Some(version) != first.as_ref()) {
            let versions: Vec<String> = versions.iter().map(|(arch, version)| format!("{version} on {arch}")).collect();
            found.push(format!("{source}: {}", versions.join(", ")));
        }
    }
    found
}
