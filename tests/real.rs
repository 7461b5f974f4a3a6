//! Debian's own archive, the catalogue that wharf ships, and the programs of its images, run.
//!
//! Packages come from where wharf finds them by itself (the apt sources of this machine, else the address in the specs)
//! and stay in `target/tmp/wharf-cache`. All building is done as an ordinary user; root runs the containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use wharf::oci::Store;

use crate::build::{WHARF, ended};
use crate::oracle::has;
use crate::support::{podman, skip};

const NOBODY: &str = "65534";
const IMAGES: [&str; 5] = ["memcached", "keystone", "mariadb", "rabbitmq", "openstack-client"];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn own(path: &Path) {
    if is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(path).status().unwrap().success());
    }
}

/// A copy of the repository's project in a folder of its own, the binary beside it, owned by whoever builds.
struct Copy {
    home: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let home = tempfile::Builder::new().prefix("wharf-real-").tempdir().unwrap();
        let project = home.path().join("project");
        fs::create_dir(&project).unwrap();
        for name in ["specs", "layers", "targets"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert!(Command::new("cp").arg("-r").arg(from).arg(&project).status().unwrap().success());
        }
        fs::copy(WHARF, home.path().join("wharf")).unwrap();
        own(home.path());
        Self { home }
    }

    fn project(&self) -> PathBuf {
        self.home.path().join("project")
    }

    fn store(&self) -> PathBuf {
        self.project().join(".wharf/store")
    }

    /// wharf as an ordinary user without subordinate ids, with this cache.
    fn wharf(&self, cache: &Path, arguments: &[&str]) -> Output {
        let binary = self.home.path().join("wharf");
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            command.args(ids).args(["--clear-groups", "--no-new-privs"]).arg(binary);
            command
        } else {
            Command::new(binary)
        };
        command.args(arguments).arg("-C").arg(self.project());
        command.env("HOME", self.home.path()).env("WHARF_CACHE", cache).env_remove("XDG_CACHE_HOME");
        command.current_dir("/").output().unwrap()
    }

    fn build(&self, arguments: &[&str]) -> String {
        ended(0, &self.wharf(&cache(), &[&["build"], arguments].concat())).0
    }

    /// wharf as whoever tests, where podman runs containers.
    fn with_podman(&self, handler: Option<&str>, arguments: &[&str]) -> (String, String) {
        let mut command = podman::ready(self.home.path(), &self.home.path().join("wharf"), handler);
        ended(0, &command.args(arguments).arg("-C").arg(self.project()).current_dir("/").output().unwrap())
    }

    /// A program in a container of an image of the store; both its streams.
    fn run_in(&self, arch: &str, reference: &str, handler: Option<&str>, program: &[&str]) -> String {
        let storage = tempfile::Builder::new().prefix("podman-").tempdir_in(self.home.path()).unwrap();
        let podman = |arguments: &[&str]| {
            let mut command = podman::ready(self.home.path(), Path::new("podman"), handler);
            command.arg("--root").arg(storage.path().join("root")).arg("--runroot").arg(storage.path().join("run"));
            // podman 4.3 takes no path whose folder begins with a dot.
            command.args(arguments).current_dir(self.store().parent().unwrap());
            ended(0, &command.output().unwrap())
        };
        let image = podman(&["pull", "--quiet", "--arch", arch, &format!("oci:store:{reference}")]).0;
        let image = image.lines().last().unwrap().trim().to_owned();
        let run =
            ["run", "--rm", "--network=none", "--pull=never", "--user=0", "--entrypoint=", "--arch", arch, &image];
        let (out, said) = podman(&[&run, program].concat());
        podman(&["rmi", "--all", "--force"]);
        out + &said
    }
}

/// Where packages stay between runs, open to whoever builds.
fn cache() -> PathBuf {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wharf-cache");
        fs::create_dir_all(&folder).unwrap();
        own(&folder);
        let mut probe = Command::new("setpriv");
        probe.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]).args(["--clear-groups", "test", "-w"]);
        if is_root() && !probe.arg(&folder).status().unwrap().success() {
            let other = std::env::temp_dir().join("wharf-test-cache");
            eprintln!("{} is closed to ordinary users: the cache is {}", folder.display(), other.display());
            fs::create_dir_all(&other).unwrap();
            own(&other);
            return other;
        }
        folder
    };
    CACHE.get_or_init(make).clone()
}

/// The images of the issue for two arches, built once for all tests here.
fn built() -> &'static Copy {
    static BUILT: OnceLock<Copy> = OnceLock::new();
    BUILT.get_or_init(|| {
        let copy = Copy::new();
        let arguments = [&IMAGES[..], &["--distro", "debian-trixie", "--arch", "x86_64,aarch64"]].concat();
        let out = copy.build(&arguments);
        for image in IMAGES {
            for arch in ["x86_64", "aarch64"] {
                assert!(out.contains(&format!("{image} debian-trixie {arch} sha256:")), "{out}");
            }
        }
        assert_eq!(Store::open(&copy.store()).unwrap().verify().unwrap(), []);
        copy
    })
}

fn is_x86_64() -> bool {
    if cfg!(target_arch = "x86_64") {
        return true;
    }
    skip("this machine is not an x86_64 one");
    false
}

#[test]
fn services_start_and_answer_under_podman() {
    if !has("podman") || !is_x86_64() {
        return;
    }
    let arguments = [&["test"], &IMAGES[..], &["--distro", "debian-trixie", "--arch", "x86_64"]].concat();
    let (_, said) = built().with_podman(None, &arguments);
    eprintln!("{said}");
    assert!(said.contains("tests passed") && !said.contains("FAILED"), "{said}");
}

/// What python says of the modules that it compiles itself: code from a source, bytecode written.
fn compiled(said: &str) -> Vec<&str> {
    let source = |line: &&str| line.starts_with("# code object from ") && !line.contains(".pyc'");
    let written = |line: &&str| line.starts_with("# wrote ") || line.starts_with("# created ");
    said.lines().filter(|line| source(line) || written(line)).collect()
}

#[test]
fn python_starts_without_compiling_anything() {
    if !has("podman") || !is_x86_64() {
        return;
    }
    let program = ["env", "-u", "PYTHONDONTWRITEBYTECODE", "python3", "-v", "-c", "import keystone, keystone.server"];
    let said = built().run_in("amd64", "keystone:debian-trixie-x86_64", None, &program);
    assert!(said.matches("matches /usr/").count() > 50, "{said}");
    assert_eq!(compiled(&said), Vec::<&str>::new());
    // The check itself sees what is compiled.
    let program =
        ["sh", "-c", "echo x=1 > /tmp/fresh.py; cd /tmp; env -u PYTHONDONTWRITEBYTECODE python3 -v -c 'import fresh'"];
    let said = built().run_in("amd64", "keystone:debian-trixie-x86_64", None, &program);
    assert!(!compiled(&said).is_empty(), "{said}");
}

#[test]
fn aarch64_programs_run_under_qemu() {
    if !has("podman") || !has("qemu-aarch64-static") {
        return;
    }
    foreign(built(), "arm64", "aarch64");
}

fn foreign(copy: &Copy, oci: &str, arch: &str) {
    let script = "uname -m; keystone-manage --version";
    let handler = format!("qemu-{arch}");
    let reference = format!("keystone:debian-trixie-{arch}");
    let said = copy.run_in(oci, &reference, Some(&handler), &["/bin/sh", "-c", script]);
    assert!(said.contains(arch) && said.contains("27."), "{said}");
}

/// The catalogue's trixie with ppc64le from the last point release alone.
fn point_release(project: &Path) {
    let file = project.join("targets/distros/debian-trixie.kdl");
    let text = fs::read_to_string(&file).unwrap();
    let limited = text
        .replace("archive \"debian\" {", "archive \"debian\" arch=\"x86_64|aarch64\" {")
        .replace("archive \"debian-security\" {", "archive \"debian-security\" arch=\"x86_64|aarch64\" {");
    assert_ne!(limited, text);
    let more = r#"
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
"#;
    fs::write(&file, limited + more).unwrap();
}

#[test]
fn ppc64le_programs_run_under_qemu() {
    if !has("podman") || !has("qemu-ppc64le-static") {
        return;
    }
    let copy = Copy::new();
    let output = copy.wharf(&cache(), &["lock", "base", "--distro", "debian-trixie", "--arch", "ppc64le"]);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        eprintln!("the mirror does not have all of trixie for ppc64le, its last point release is taken:\n{said}");
        point_release(&copy.project());
    }
    copy.build(&["keystone", "--distro", "debian-trixie", "--arch", "ppc64le"]);
    foreign(&copy, "ppc64le", "ppc64le");
}

#[test]
fn bookworm_is_built_and_runs() {
    if !has("podman") || !is_x86_64() {
        return;
    }
    let copy = Copy::new();
    let which = ["base", "memcached", "--distro", "debian-bookworm", "--arch", "x86_64"];
    copy.build(&which);
    let (_, said) = copy.with_podman(None, &[&["test"], &which[..]].concat());
    assert!(said.contains("tests passed"), "{said}");
}

#[test]
fn real_images_are_the_same_cold_and_warm_with_one_thread_and_with_eight() {
    let first = Copy::new();
    let which = ["base", "memcached", "--distro", "debian-trixie", "--arch", "x86_64"];
    let out = first.build(&[&which[..], &["--jobs", "1"]].concat());
    let lock = first.project().join("wharf.lock");
    let other = |cache: &Path, jobs: &str| {
        let copy = Copy::new();
        let to = copy.project().join("wharf.lock");
        fs::copy(&lock, &to).unwrap();
        own(&to);
        let more = ["--locked", "--strict", "--jobs", jobs];
        ended(0, &copy.wharf(cache, &[&["build"], &which[..], &more].concat())).0
    };
    assert_eq!(other(&cache(), "8"), out, "warm");
    // Cold but for the .debs: their download is no part of the question.
    let cold = tempfile::Builder::new().prefix("wharf-cold-").tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(cache().join("debs")).arg(cold.path()).status().unwrap().success());
    own(cold.path());
    assert_eq!(other(cold.path(), "8"), out, "cold");
}
