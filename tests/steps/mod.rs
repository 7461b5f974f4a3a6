//! Images with steps, with the real buildah: `run` and `copy`.

mod kill;
mod same;
mod verify;
mod wrong;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{WHARF, Yard, archive, ended, walk};
use crate::support::archive::DATE;
use crate::support::deb::Deb;
use crate::support::place::{NOBODY, is_root, own};
use crate::support::skip;

/// Who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs the tests; root in CI.
    Caller,
    /// An ordinary user with a range of subordinate ids.
    User,
}

/// A project whose images have a shell: busybox, of this machine.
pub struct Steps {
    pub yard: Yard,
    pub who: Who,
}

/// Programs of busybox that steps use.
const PROGRAMS: [&str; 19] = [
    "sh", "cat", "cp", "date", "echo", "env", "grep", "id", "ln", "ls", "mkdir", "mkfifo", "pwd", "rm", "sleep",
    "touch", "sort", "tr", "chmod",
];

fn busybox() -> Option<Vec<u8>> {
    let found = fs::read("/bin/busybox").ok();
    if found.is_none() {
        skip("no /bin/busybox (package busybox-static)");
    }
    found
}

impl Steps {
    /// A project with these images, whose packages are `busybox` and, for building alone, `maker`. None where it cannot
    /// be built here.
    pub fn new(who: Who, images: &str) -> Option<Self> {
        if !can(who) {
            return None;
        }
        let mut shell = Deb::new("busybox", "1.0").file("/usr/bin/busybox", 0o755, busybox()?);
        for program in PROGRAMS {
            shell = shell.symlink(&format!("/usr/bin/{program}"), "busybox");
        }
        let maker = Deb::new("maker", "1.0")
            .depends("busybox")
            .file("/usr/bin/make-it", 0o755, "#!/bin/sh\necho \"made of $1\" > \"$2\"\n")
            .file("/usr/lib/maker/plugins/one", 0o644, "one\n");
        let yard = Yard::new(archive(vec![shell, maker], DATE));
        // busybox is of this machine's arch.
        let targets = yard.project().join("targets/targets.kdl");
        let text = fs::read_to_string(&targets).unwrap().replace("arches \"x86_64\" \"aarch64\"", "arches \"x86_64\"");
        fs::write(&targets, text).unwrap();
        let steps = Self { yard, who };
        steps.images(images);
        Some(steps)
    }

    /// Other images; each is below `base`, which has the shell.
    pub fn images(&self, images: &str) {
        let base = "image \"base\" {\n    packages \"busybox\"\n    link \"/bin\" \"usr/bin\"\n    dir \"/etc\"\n    \
                    dir \"/tmp\" mode=\"1777\"\n}\n";
        self.yard.spec("images.kdl", &format!("{base}{images}"));
        if self.who == Who::User {
            own(self.yard.folder.path());
        }
    }

    pub fn command_in(&self, project: &Path, cache: &Path, arguments: &[&str]) -> Command {
        let plain = self.yard.command_in(project, cache, arguments);
        match self.who {
            Who::Caller => plain,
            Who::User => {
                let mut command = with_ids(self.yard.folder.path(), Path::new(WHARF));
                command.args(plain.get_args()).env_clear();
                command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
                command
            }
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(&self.yard.project(), &self.yard.cache(), arguments)
    }

    /// Runs wharf, which must end with this code: standard output, and what it said.
    pub fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        ended(code, &self.command(arguments).output().unwrap())
    }

    /// What it said when it ended with 1.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let said = self.run(1, arguments).1;
        self.nothing_left();
        self.yard.plain(&said)
    }

    /// Folders of builds.
    pub fn folders(&self) -> Vec<PathBuf> {
        let entries = self.yard.cache().join("steps").read_dir().into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir() && !path.ends_with("caches")).collect()
    }

    /// No folder, no mount and no process of a build is there.
    pub fn nothing_left(&self) {
        assert_eq!(self.folders(), Vec::<PathBuf>::new());
        let here = self.yard.folder.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&here), "{mounts}");
        assert_eq!(processes(&here), Vec::<String>::new());
    }

    /// A file of an image.
    pub fn file(&self, image: &str, path: &str) -> String {
        let to = self.yard.folder.path().join("out.tar");
        let _ = fs::remove_file(&to);
        ended(0, &self.yard.command(&["export", image, "--to", &format!("tar:{}", to.display())]).output().unwrap());
        let mut archive = tar::Archive::new(fs::File::open(&to).unwrap());
        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = Path::new("/").join(entry.path().unwrap());
            let text = match entry.link_name().unwrap() {
                Some(to) => format!("-> {}", to.display()),
                None => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).unwrap();
                    String::from_utf8_lossy(&bytes).into_owned()
                }
            };
            texts.insert(path, text);
        }
        texts.get(Path::new(path)).cloned().unwrap_or_else(|| format!("{path}: No such file"))
    }
}

/// Command lines that hold a text.
pub fn processes(text: &str) -> Vec<String> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let lines = ids.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

fn can(who: Who) -> bool {
    if Command::new("buildah").arg("--version").output().is_err() {
        skip("no buildah");
        return false;
    }
    if who == Who::User && !is_root() {
        skip("only root can give a user a range of ids");
        return false;
    }
    true
}

/// A program as an ordinary user who has a range of subordinate ids in namespaces of its own. The machine's files stay.
pub fn with_ids(folder: &Path, program: &Path) -> Command {
    let ids = folder.join("subids");
    fs::write(&ids, format!("{NOBODY}:100000:65536\n")).unwrap();
    fs::set_permissions(&ids, fs::Permissions::from_mode(0o644)).unwrap();
    let script = format!(
        "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid && exec setpriv --reuid={NOBODY} \
         --regid={NOBODY} --clear-groups \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).arg(ids).arg(program);
    command
}

/// All bytes of a store, layers unpacked.
pub fn bytes_of(store: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for path in walk(store) {
        let bytes = fs::read(&path).unwrap();
        match zstd::decode_all(bytes.as_slice()) {
            Ok(unpacked) => all.extend(unpacked),
            Err(_) => all.extend(bytes),
        }
    }
    all
}
