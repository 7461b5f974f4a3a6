//! Roots of other Debian releases with their podman and systemd, made once by mmdebstrap and kept in `target/tmp`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use wharf::unit::PodmanVersion;

use crate::oracle::has;
use crate::support::skip;

/// Another release, unpacked.
pub struct Root {
    pub path: PathBuf,
    /// Its podman's.
    pub version: PodmanVersion,
}

/// Where this machine's apt has Debian's archive from.
fn archive() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]);
    let listed = command.stderr(Stdio::null()).output().map(|output| String::from_utf8(output.stdout).unwrap());
    let listed = listed.unwrap_or_default();
    let own = listed.lines().filter_map(|line| line.strip_prefix("Debian ")).find(|uri| !uri.contains("security"));
    own.unwrap_or("http://ftp.debian.org/debian").trim_end_matches('/').to_owned()
}

/// The root of a release in the folder `kept` of target/tmp, made by mmdebstrap with these arguments where it is not there
/// yet. Why a tool cannot be had here was said by [`has`].
fn unpacked(kept: &str, suite: &str, arguments: &[&str]) -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        skip("a root of another release takes root");
        return None;
    }
    if !["mmdebstrap", "chroot", "unshare"].into_iter().all(has) {
        return None;
    }
    // Of tests that want it at the same time, one makes it.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kept);
    let path = kept.join(suite);
    if !path.exists() {
        fs::create_dir_all(&kept).unwrap();
        let new = kept.join(format!("{suite}.{}", std::process::id()));
        let mut command = Command::new("mmdebstrap");
        command.arg("--quiet").args(arguments);
        // A mirror that is updated seldom is good enough here.
        command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"").arg(suite).arg(&new);
        let output = command.arg(format!("deb {} {suite} main", archive())).output().unwrap();
        if !output.status.success() {
            let _ = fs::remove_dir_all(&new);
            skip(&format!("no {suite} from the archive: {}", String::from_utf8_lossy(&output.stderr)));
            return None;
        }
        fs::rename(&new, &path).unwrap();
    }
    Some(path)
}

fn make(suite: &str) -> Option<Root> {
    let programs = "--include=podman,systemd,dash,coreutils,base-files";
    let path = unpacked("unit-roots", suite, &["--variant=extract", programs])?;
    let mut command = Command::new("chroot");
    let output = command.arg(&path).args(["/usr/libexec/podman/quadlet", "-version"]).output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    Some(Root { path, version })
}

/// podman 5.4.
pub fn trixie() -> Option<&'static Root> {
    static ROOT: OnceLock<Option<Root>> = OnceLock::new();
    ROOT.get_or_init(|| make("trixie")).as_ref()
}

/// The newest podman that Debian has.
pub fn sid() -> Option<&'static Root> {
    static ROOT: OnceLock<Option<Root>> = OnceLock::new();
    ROOT.get_or_init(|| make("sid")).as_ref()
}

/// Both.
pub fn all() -> impl Iterator<Item = &'static Root> {
    [trixie(), sid()].into_iter().flatten()
}

/// What podman's generator said.
pub struct Generated {
    /// Whether it took all units.
    pub good: bool,
    /// Services by name, and their text.
    pub services: Vec<(String, String)>,
    /// What it complained of.
    pub said: String,
}

impl Generated {
    /// The text of a service.
    pub fn service(&self, name: &str) -> &str {
        let found = self.services.iter().find(|(service, _)| service == name);
        found.map_or_else(|| panic!("no {name}: {}", self.said), |(_, text)| text)
    }
}

impl Root {
    /// podman's generator over files, by their names and texts; podman itself is `program`.
    pub fn generate<'a>(
        &self,
        files: impl IntoIterator<Item = (String, &'a str)>,
        user: bool,
        program: Option<&str>,
    ) -> Generated {
        let folder = tempfile::Builder::new().prefix("units-").tempdir_in(self.path.join("tmp")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let inside = Path::new("/").join(folder.path().strip_prefix(&self.path).unwrap());
        let mut command = Command::new("chroot");
        command.arg(&self.path).args(["/usr/libexec/podman/quadlet", "-no-kmsg-log", "-dryrun"]);
        command.args(user.then_some("-user")).env("QUADLET_UNIT_DIRS", inside).env_remove("PODMAN");
        if let Some(program) = program {
            command.env("PODMAN", program);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Generated {
            good: output.status.success(),
            services: split(&text),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The output of a dry run: `---NAME---` before each service.
fn split(text: &str) -> Vec<(String, String)> {
    let mut services: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("---").and_then(|rest| rest.strip_suffix("---")) {
            Some(name) => services.push((name.to_owned(), String::new())),
            None => {
                if let Some((_, text)) = services.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    services
}
