//! One container of buildah's: begun on layers, changed by steps, and what changed taken out of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::folder::Folder;
use super::{Buildah, BuildahError, Failed};
use crate::path::ImagePath;

/// How many lines of a step's output are kept.
const LINES: usize = 30;
/// And how many bytes at most.
const BYTES: usize = 64 << 10;

/// The container's name within its own storage.
const NAME: &str = "step";

/// Makes the loopback device of an empty network work, then becomes the program. The system's files are those of that
/// network.
const FENCED: &str = "mount -t sysfs sysfs /sys && echo 0x9 > /sys/class/net/lo/flags || exit 125; exec \"$@\"";

/// A layout of one image in the session's folder.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The folder's name.
    pub layout: &'a str,
    /// Its arch as OCI calls it: `arm64`, `ppc64le`.
    pub arch: &'a str,
}

/// What a step sees beside the container's own files.
#[derive(Debug, Clone)]
pub struct Mount {
    /// A path of this machine.
    pub source: PathBuf,
    /// Where it is in the container.
    pub path: ImagePath,
    /// Whether it may be written to.
    pub writable: bool,
}

/// A step for buildah.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// The program and what it is given.
    pub words: Vec<String>,
    /// Where.
    pub workdir: Option<ImagePath>,
    /// As whom; root else.
    pub user: Option<String>,
    /// Variables beside the image's.
    pub env: BTreeMap<String, String>,
    /// Whether the machine's network is there.
    pub network: bool,
    /// What is mounted.
    pub mounts: Vec<Mount>,
}

/// A container.
#[derive(Debug)]
pub struct Session<'b> {
    buildah: &'b Buildah,
    folder: Folder,
}

impl<'b> Session<'b> {
    /// A folder for a container, in `place`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(buildah: &'b Buildah, place: &Path) -> Result<Self, BuildahError> {
        let folder = Folder::new(buildah, place)?;
        let session = Self { buildah, folder };
        session.settings()?;
        Ok(session)
    }

    /// The folder, for layouts and what is mounted.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Nothing of the machine's or the user's own settings counts.
    fn settings(&self) -> Result<(), BuildahError> {
        let (root, state) = (self.folder().join("root"), self.folder().join("state"));
        let storage = format!(
            "[storage]\ndriver = \"{}\"\ngraphroot = {root:?}\nrunroot = {state:?}\n",
            self.buildah.driver.as_str()
        );
        for (name, text) in [
            ("storage.conf", storage.as_str()),
            ("containers.conf", ""),
            ("registries.conf", ""),
            ("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#),
        ] {
            let path = self.folder().join(name);
            fs::write(&path, text).map_err(|error| BuildahError::Folder { path, error })?;
        }
        let path = self.folder().join("tmp");
        fs::create_dir(&path).map_err(|error| BuildahError::Folder { path, error })
    }

    /// Begins it.
    ///
    /// # Errors
    /// Where buildah cannot.
    pub fn begin(&self, base: Base<'_>) -> Result<(), BuildahError> {
        let layout = format!("oci:{}", base.layout);
        self.ask("from", &["--name", NAME, "--arch", base.arch, "--signature-policy", "policy.json", &layout])
    }

    /// Does a step; the inner result is how it ended.
    ///
    /// # Errors
    /// Where it could not be begun.
    pub fn step(&self, step: &Words) -> Result<Result<(), Failed>, BuildahError> {
        // HOSTNAME would be the container's random name.
        let mut words: Vec<OsString> =
            ["--isolation", "chroot", "--no-hosts", "--hostname", "wharf"].map(Into::into).into();
        for (key, value) in &step.env {
            words.extend(["--env".into(), format!("{key}={value}").into()]);
        }
        if let Some(workdir) = &step.workdir {
            words.extend(["--workingdir".into(), workdir.as_str().into()]);
        }
        if let Some(user) = &step.user {
            words.extend(["--user".into(), user.into()]);
        }
        for mount in &step.mounts {
            let mut volume = mount.source.clone().into_os_string();
            volume.push(format!(":{}:{}", mount.path, if mount.writable { "rw" } else { "ro" }));
            words.extend(["--volume".into(), volume]);
        }
        words.extend([NAME.into(), "--".into()]);
        words.extend(step.words.iter().map(Into::into));
        let (code, output) = self.run("run", &words, step.network)?;
        Ok(if code == Some(0) { Ok(()) } else { Err(Failed { code, output: own_words(output) }) })
    }

    /// What all steps changed: the path of a layer, uncompressed, in the session's folder.
    ///
    /// # Errors
    /// Where buildah cannot write it.
    pub fn layer(&self) -> Result<PathBuf, BuildahError> {
        self.ask(
            "commit",
            &[
                "--format",
                "oci",
                "--disable-compression",
                "--quiet",
                "--signature-policy",
                "policy.json",
                NAME,
                "oci:out",
            ],
        )?;
        top(&self.folder().join("out")).map_err(|error| BuildahError::Layer(error.to_string()))
    }

    /// A command that has to end well.
    fn ask(&self, verb: &str, words: &[&str]) -> Result<(), BuildahError> {
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        match self.run(verb, &words, false)? {
            (Some(0), _) => Ok(()),
            (code, output) => {
                let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                Err(BuildahError::Command { verb: verb.to_owned(), code, output })
            }
        }
    }

    fn run(&self, verb: &str, words: &[OsString], network: bool) -> Result<(Option<i32>, String), BuildahError> {
        let mut command = fenced(self.buildah, self.folder(), network);
        command.args(storage(self.folder(), self.buildah.driver.as_str())).arg(verb).args(words);
        tail(command).map_err(|error| BuildahError::Folder { path: self.folder().to_owned(), error })
    }
}

/// How buildah finds its storage.
fn storage(folder: &Path, driver: &str) -> Vec<OsString> {
    let (root, state) = (folder.join("root"), folder.join("state"));
    vec!["--root".into(), root.into(), "--runroot".into(), state.into(), "--storage-driver".into(), driver.into()]
}

/// buildah in namespaces of its own, which end with wharf: words for it follow.
fn fenced(buildah: &Buildah, folder: &Path, network: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    if buildah.rootless {
        command.args(["buildah", "unshare", "--", "setpriv", "--pdeathsig", "KILL", "--"]);
    }
    command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(match network {
        true => &["--", "buildah"] as &[&str],
        false => &["--net", "--", "sh", "-c", FENCED, "sh", "buildah"],
    });
    environment(&mut command, folder);
    command
}

/// What of the environment counts.
fn environment(command: &mut Command, folder: &Path) {
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    for name in ["PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("TMPDIR", folder.join("tmp")).env("BUILDAH_ISOLATION", "chroot");
    for (name, file) in [
        ("CONTAINERS_STORAGE_CONF", "storage.conf"),
        ("CONTAINERS_CONF", "containers.conf"),
        ("CONTAINERS_REGISTRIES_CONF", "registries.conf"),
    ] {
        command.env(name, folder.join(file));
    }
}

/// Runs a command; its exit code and the end of what it prints.
fn tail(mut command: Command) -> io::Result<(Option<i32>, String)> {
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the other end too.
    drop(command);
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = reader.read(&mut piece)?;
        if read == 0 {
            break;
        }
        kept.extend(piece.iter().take(read));
        if kept.len() > 2 * BYTES {
            kept.drain(..kept.len() - BYTES);
        }
    }
    let status = child.wait()?;
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<&str> = text.lines().collect();
    let lines = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    Ok((status.code(), lines.join("\n")))
}

/// What buildah itself says of a step that did not end well; the exit code says it already.
const OWN_WORDS: [&str; 4] = [
    "process exited with error: ",
    "subprocess exited with status ",
    "error running subprocess: ",
    "Error: exit status ",
];

/// A step's output without buildah's own words about how it ended, which may stand at the end of a line of it.
fn own_words(output: String) -> String {
    let lines = output.lines().map(|line| {
        let end = OWN_WORDS.iter().filter_map(|words| line.find(words)).min();
        line.split_at_checked(end.unwrap_or(line.len())).map_or(line, |(own, _)| own)
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The topmost layer of the one image of a layout.
fn top(layout: &Path) -> io::Result<PathBuf> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let document = |path: PathBuf| -> io::Result<serde_json::Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let blob = |value: Option<&serde_json::Value>| -> io::Result<PathBuf> {
        let digest = value.and_then(|value| value.get("digest")).and_then(|digest| digest.as_str());
        let digest = digest.ok_or_else(|| wrong("no digest"))?;
        let digest: crate::digest::Digest = digest.parse().map_err(|_| wrong("no digest of sha256"))?;
        Ok(layout.join("blobs/sha256").join(digest.hex()))
    };
    let index = document(layout.join("index.json"))?;
    let manifest = index.get("manifests").and_then(|all| all.as_array()).and_then(|all| all.first());
    let manifest = document(blob(manifest)?)?;
    let layer = manifest.get("layers").and_then(|all| all.as_array()).and_then(|all| all.last());
    blob(layer)
}

/// Whether programs can be fenced in, and with which storage; what is tried is in `folder`.
pub(super) fn probe(buildah: &mut Buildah, folder: &Path) -> Result<(), BuildahError> {
    let wrong = |error| BuildahError::Folder { path: folder.to_owned(), error };
    if buildah.rootless {
        let mut command = Command::new("buildah");
        command.args(["unshare", "cat", "/proc/self/uid_map"]);
        environment(&mut command, folder);
        let (code, output) = tail(command).map_err(wrong)?;
        if code != Some(0) {
            return Err(BuildahError::Namespaces(output));
        }
        let room: u64 = output.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum();
        if room < 65_536 {
            let uid = rustix::process::geteuid().as_raw();
            return Err(BuildahError::NoRange(format!("the user with the id {uid}")));
        }
    }
    let mut command = fenced(buildah, folder, false);
    command.arg("--version");
    let (code, output) = tail(command).map_err(wrong)?;
    if code != Some(0) {
        return Err(BuildahError::Namespaces(output));
    }
    let mut command = fenced(buildah, folder, false);
    command.args(storage(folder, super::Driver::Overlay.as_str())).args([OsStr::new("images"), OsStr::new("--quiet")]);
    let (code, _) = tail(command).map_err(wrong)?;
    buildah.driver = if code == Some(0) { super::Driver::Overlay } else { super::Driver::Vfs };
    Ok(())
}
