//! podman where it runs containers, whatever the machine's cgroups are.
//!
//! podman 4 with crun wants cgroup v2 alone. Where the machine has v1 or both, root gets a mount namespace of its own with
//! a fresh cgroup2 mount; the machine's mounts stay as they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::skip;
use crate::oracle::has;

/// Run by `sh -c` inside the namespace, before the program.
const ENTER: &str = r#"set -e
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || true
handler=$WHARF_BINFMT
[ -z "$handler" ] || [ -e "/proc/sys/fs/binfmt_misc/$handler" ] || update-binfmts --enable "$handler" >&2 || true
exec "$@"
"#;

const LIMITS: &str = "[containers]\npids_limit = 0\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n";

/// Whether cgroup v2 is all that is mounted.
fn is_plain() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The beginning of a command that runs `program` where podman works; `handler` (`qemu-aarch64`) is enabled for it.
/// `scratch` keeps podman's configuration.
pub fn ready(scratch: &Path, program: &Path, handler: Option<&str>) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let configuration = scratch.join("containers.conf");
    let more = if is_plain() { "" } else { "cgroups = \"disabled\"\n" };
    fs::write(&configuration, format!("{LIMITS}{more}")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--cgroup", "--propagation", "private", "sh", "-c", ENTER, "sh"]).arg(program);
    command.env("CONTAINERS_CONF", configuration).env("WHARF_BINFMT", handler.unwrap_or_default());
    command
}

/// Whether podman takes images in as this user: one without root's rights needs ids for the files of others. Says why
/// where it does not, and fails where CI says that it must.
pub fn takes_images() -> bool {
    if !has("podman") {
        return false;
    }
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let output = Command::new("podman").args(["unshare", "cat", "/proc/self/uid_map"]).output().unwrap();
    let map = String::from_utf8_lossy(&output.stdout);
    let ids: u64 = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum();
    let why = match said_well(&output) {
        Err(said) => said,
        Ok(()) if ids < 65_535 => format!("it has {ids} ids there, and /etc/subuid no more"),
        Ok(()) => return true,
    };
    skip(&format!("podman takes no images in as this user: {why}"));
    false
}

/// Whether podman runs containers of images as this user. Says why where it does not, and fails where CI says that it
/// must.
pub fn works() -> bool {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    if !takes_images() {
        return false;
    }
    match PROBE.get_or_init(probe) {
        Ok(()) => true,
        Err(said) => {
            skip(&format!("podman runs no container as this user: {said}"));
            false
        }
    }
}

/// A container of this machine's own programs: nothing of wharf's is asked.
fn probe() -> Result<(), String> {
    let scratch = tempfile::Builder::new().prefix("wharf-").tempdir().unwrap();
    let root = scratch.path().join("rootfs");
    fs::create_dir_all(root.join("usr")).unwrap();
    for folder in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{folder}"), root.join(folder)).unwrap();
    }
    let mut command = ready(scratch.path(), Path::new("podman"), None);
    command.arg("--root").arg(scratch.path().join("root")).arg("--runroot").arg(scratch.path().join("run"));
    command.args(["run", "--rm", "--network=none", "--volume=/usr:/usr:ro", "--rootfs"]).arg(root);
    let output = command.args(["/usr/bin/env", "true"]).output().unwrap();
    said_well(&output)
}

/// Whether programs of `arch` run here, in containers too. Says why where they do not, and fails where CI says that they
/// must.
pub fn runs(arch: &str) -> bool {
    if arch == std::env::consts::ARCH {
        return true;
    }
    let handler = format!("qemu-{arch}");
    let scratch = tempfile::tempdir().unwrap();
    let mut command = ready(scratch.path(), Path::new("cat"), Some(&handler));
    let output = command.arg(format!("/proc/sys/fs/binfmt_misc/{handler}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // F: the interpreter is opened once, outside, so that a container without it has it.
    let fixed = text.lines().any(|line| line.strip_prefix("flags: ").is_some_and(|flags| flags.contains('F')));
    let why = match said_well(&output) {
        Err(said) => said,
        Ok(()) if !text.starts_with("enabled") => "it is disabled".to_owned(),
        Ok(()) if !fixed => "it is registered without the flag F".to_owned(),
        Ok(()) => return true,
    };
    skip(&format!("the binfmt handler {handler} does not serve containers: {why}"));
    false
}

fn said_well(output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
