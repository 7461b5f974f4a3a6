//! podman where it runs containers, whatever the machine's cgroups are.
//!
//! podman 4 with crun wants cgroup v2 alone. Where the machine has v1 or both, root gets a mount namespace of its own with
//! a fresh cgroup2 mount; the machine's mounts stay as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

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
