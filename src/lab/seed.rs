//! What a host of the lab has that its image has not: a name, keys, and what this machine's kernel asks of podman.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::{LabError, at, run};

/// The storage of podman where hosts share images.
const SHARING: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"/run/containers/storage\"\n\
                       graphroot = \"/var/lib/containers/storage\"\n\
                       [storage.options]\nadditionalimagestores = [\"/mnt/images\"]\n";

/// What is written into a host before it boots for the first time.
#[derive(Debug, Clone, Copy)]
pub struct Seed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Lines of /etc/hosts: an address and a name.
    pub hosts: &'a str,
    /// The public key of whoever operates it.
    pub operator: &'a Path,
    /// Whether it sees images of others at /mnt/images.
    pub shares: bool,
}

impl Seed<'_> {
    /// Writes it into the folder of a host that begins as `root`.
    pub fn sow(&self, root: &Path, folder: &Path) -> Result<(), LabError> {
        let make = |path: &Path| fs::create_dir_all(path).map_err(at(path));
        for made in [
            "upper/etc/containers",
            "upper/etc/systemd/system",
            "upper/etc/ssh",
            "upper/root/.ssh",
            "work",
            "root",
            "containers",
            "home",
        ] {
            make(&folder.join(made))?;
        }
        let etc = folder.join("upper/etc");
        let write = |name: &str, text: &str| {
            let path = etc.join(name);
            fs::write(&path, text).map_err(at(&path))
        };
        write("containers/containers.conf", configuration(root))?;
        if self.shares {
            write("containers/storage.conf", SHARING)?;
        }
        write("hostname", &format!("{}\n", self.name))?;
        write("hosts", &format!("127.0.0.1 localhost\n{}", self.hosts))?;
        // There is no name server; podman's own wants to be told of one.
        write("resolv.conf", "nameserver 127.0.0.1\n")?;
        key(&etc.join("ssh/ssh_host_ed25519_key"))?;
        for closed in ["upper/root", "upper/root/.ssh"] {
            let path = folder.join(closed);
            fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(at(&path))?;
        }
        let authorized = folder.join("upper/root/.ssh/authorized_keys");
        fs::copy(self.operator, &authorized).map_err(at(self.operator))?;
        // The kernel is the machine's.
        let modules = etc.join("systemd/system/systemd-modules-load.service");
        match symlink("/dev/null", &modules) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(&modules)(error)),
            _ => Ok(()),
        }
    }
}

/// podman's, for what this machine keeps to itself: controllers of cgroups, and here and there the right to raise a limit,
/// which podman 4.3 and crun 1.8 take for granted.
fn configuration(root: &Path) -> &'static str {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    let all = u64::from_str_radix(capabilities.trim(), 16).unwrap_or_default() & CAP_SYS_RESOURCE != 0;
    let has_quadlet = root.join("usr/libexec/podman/quadlet").exists();
    match has_quadlet || all {
        true => "[containers]\npids_limit = 0\n",
        false => {
            "[containers]\npids_limit = 0\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\n\
             [engine]\nruntime = \"runc\"\n"
        }
    }
}

/// Makes a pair of ssh keys, the public one at `path` with `.pub`.
pub fn key(path: &Path) -> Result<(), LabError> {
    let _ = fs::remove_file(path);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(path);
    run(&mut command, "a key").map(drop)
}
